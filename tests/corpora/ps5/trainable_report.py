# %% right | two sums and a list
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% right | one counter, one loop
from collections import Counter


def trainable_report(model):
    counts = Counter(trainable=0, frozen=0)
    for p in model.parameters():
        counts["trainable" if p.requires_grad else "frozen"] += p.numel()
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    names = sorted(
        name for name, m in model.named_modules() if isinstance(m, kinds) and m.training and m.running_mean is not None
    )
    return {**counts, "live_batchnorm": names}

# %% right | the total and a difference
import math


def trainable_report(model: nn.Module) -> dict:
    sizes = {p: math.prod(p.shape) for p in model.parameters()}
    total = sum(sizes.values())
    trainable = sum(size for p, size in sizes.items() if p.requires_grad)
    report = dict(trainable=trainable, frozen=total - trainable, live_batchnorm=[])
    for name, m in model.named_modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            if m.training and "running_mean" in dict(m.named_buffers()):
                report["live_batchnorm"].append(name)
    report["live_batchnorm"].sort()
    return report

# %% right | own walk over modules with a memo
def trainable_report(model):
    seen, sizes, live = set(), [0, 0], []
    for name, m in model.named_modules():
        for p in m._parameters.values():
            if p is not None and id(p) not in seen:
                seen.add(id(p))
                sizes[p.requires_grad] += p.nelement()
        norm = isinstance(m, nn.modules.batchnorm._BatchNorm)
        live += [name] * bool(norm and m.training and m.track_running_stats)
    return {"trainable": sizes[True], "frozen": sizes[False], "live_batchnorm": sorted(live)}

# %% right | tried out on a deep copy of each BatchNorm
class Report:
    def __call__(self, model):
        self.live = []
        model_copy = copy.deepcopy(model)
        for name, m in model_copy.named_modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and self.moves(m):
                self.live.append(name)
        split = {flag: sum(p.numel() for p in model.parameters() if p.requires_grad is flag) for flag in (True, False)}
        return {"trainable": split[True], "frozen": split[False], "live_batchnorm": sorted(self.live)}

    @staticmethod
    def moves(norm):
        if norm.running_mean is None:
            return False
        before = norm.num_batches_tracked.clone()
        dims = {"BatchNorm2d": 4, "BatchNorm3d": 5}.get(type(norm).__name__, 2)
        x = torch.ones(2, norm.num_features, *[2] * (dims - 2), dtype=norm.running_mean.dtype)
        with torch.no_grad():
            norm(x)
        return not torch.equal(before, norm.num_batches_tracked)


trainable_report = Report()

# %% wrong | bn-drifts-when-frozen | 1 point | a frozen BatchNorm is thought to stand still
# C7
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats and any(p.requires_grad for p in m.parameters())
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | bn-drifts-when-frozen | 1 point | lists by requires_grad instead of mode
# C7
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.weight is not None and m.weight.requires_grad
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | root-flag-only | 1 point | asks only the root for its mode
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and model.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | root-flag-only | 1 point | a root in evaluation mode answers for its children
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and model.training and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | lists them whatever their mode
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | lists those that track nothing
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | counts tensors instead of elements
def trainable_report(model):
    trainable = sum(1 for p in model.parameters() if p.requires_grad)
    frozen = sum(1 for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | counts buffers among the frozen
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(t.numel() for t in model.state_dict().values()) - trainable
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 0 points | only the model's own parameters and children
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters(recurse=False) if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters(recurse=False) if not p.requires_grad)
    live = [
        name
        for name, m in model.named_children()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | InstanceNorm counted as BatchNorm
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._NormBase) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | trainable and frozen the wrong way round
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": frozen, "frozen": trainable, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | shared parameters counted twice
def trainable_report(model):
    trainable = sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False) if p.requires_grad)
    frozen = sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False) if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | only BatchNorm2d
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.BatchNorm2d) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 1 point | not sorted
def trainable_report(model):
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": live}

# %% wrong | tensor-not-float | 1 point | tensors instead of whole numbers
def trainable_report(model):
    trainable = sum(torch.tensor(p.numel()) for p in model.parameters() if p.requires_grad) + torch.tensor(0)
    frozen = sum(torch.tensor(p.numel()) for p in model.parameters() if not p.requires_grad) + torch.tensor(0)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | mode-not-restored | 1 point | switches to training mode to look
def trainable_report(model):
    model.train()
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    return {"trainable": trainable, "frozen": frozen, "live_batchnorm": sorted(live)}

# %% wrong | wrong-result | 0 points | stub left in place
def trainable_report(model):
    raise NotImplementedError("trainable_report is not written yet")

# %% wrong | requires-grad-typo | 1 point | asks the modules for requires_grad
# D10
def trainable_report(model):
    frozen = sum(p.numel() for m in model.children() if not getattr(m, "requires_grad", True) for p in m.parameters())
    live = [
        name
        for name, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats
    ]
    total = sum(p.numel() for p in model.parameters())
    return {"trainable": total - frozen, "frozen": frozen, "live_batchnorm": sorted(live)}
