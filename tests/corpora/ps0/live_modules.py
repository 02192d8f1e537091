# %% right | isinstance on the two base classes
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def live_modules(model):
    return sorted(name for name, m in model.named_modules() if m.training and isinstance(m, (_DropoutNd, _BatchNorm)))

# %% right | the public classes listed
FAMILY = (
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm,
    nn.LazyBatchNorm1d, nn.LazyBatchNorm2d, nn.LazyBatchNorm3d,
)


def live_modules(model: nn.Module) -> list[str]:
    found = []
    for name, module in model.named_modules():
        if isinstance(module, FAMILY) and module.training:
            found.append(name)
    found.sort()
    return found

# %% right | own recursion with a memo
def live_modules(model):
    seen, names = set(), []

    def visit(module, path):
        if id(module) in seen:
            return
        seen.add(id(module))
        family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
        if isinstance(module, family) and module.training:
            names.append(".".join(path))
        for key, child in module.named_children():
            visit(child, path + [key])

    visit(model, [])
    return sorted(names)

# %% right | filter and map
from torch.nn.modules import batchnorm, dropout


def is_live(item):
    _, module = item
    return module.training and issubclass(type(module), (batchnorm._BatchNorm, dropout._DropoutNd))


def live_modules(model):
    return sorted(map(lambda item: item[0], filter(is_live, model.named_modules())))

# %% right | callable object that walks the class hierarchy by defining module
class LiveModules:
    homes = {"torch.nn.modules.dropout", "torch.nn.modules.batchnorm"}

    def belongs(self, module):
        return any(
            base.__module__ in self.homes and base.__name__ in ("_DropoutNd", "_BatchNorm")
            for base in type(module).__mro__
        )

    def __call__(self, model):
        return sorted([n for n, m in model.named_modules() if self.belongs(m) and m.training])


live_modules = LiveModules()

# %% right | intersection of two sets
def live_modules(model):
    drop, norm = nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm
    live = {name for name, m in dict(model.named_modules()).items() if m.training}
    typed = {name for name, m in dict(model.named_modules()).items() if isinstance(m, drop) or isinstance(m, norm)}
    return sorted(live & typed)

# %% wrong | root-flag-only | 2 points | asks only the root for its mode
def live_modules(model):
    if not model.training:
        return []
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(name for name, m in model.named_modules() if isinstance(m, family))

# %% wrong | root-flag-only | 2 points | a root in evaluation mode answers for its children
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    names = []
    for name, m in model.named_modules():
        if model.training and m.training and isinstance(m, family):
            names.append(name)
    return sorted(names)

# %% wrong | mode-not-restored | 2 points | leaves everything in training mode
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    live = sorted(name for name, m in model.named_modules() if m.training and isinstance(m, family))
    model.train()
    return live

# %% wrong | mode-not-restored | 2 points | switches the live ones off while it is there
def live_modules(model):
    live = []
    for name, m in model.named_modules():
        if isinstance(m, (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)) and m.training:
            live.append(name)
            m.training = False
    return sorted(live)

# %% wrong | wrong-result | 2 points | lists them whatever their mode
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(name for name, m in model.named_modules() if isinstance(m, family))

# %% wrong | wrong-result | 0 points | only direct children
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(name for name, m in model.named_children() if m.training and isinstance(m, family))

# %% wrong | wrong-result | 2 points | only nn.Dropout and BatchNorm1d
def live_modules(model):
    return sorted(name for name, m in model.named_modules() if m.training and isinstance(m, (nn.Dropout, nn.BatchNorm1d)))

# %% wrong | wrong-result | 2 points | InstanceNorm counted as BatchNorm
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)
    return sorted(name for name, m in model.named_modules() if m.training and isinstance(m, family))

# %% wrong | wrong-result | 1 point | forgets BatchNorm
def live_modules(model):
    return sorted(n for n, m in model.named_modules() if m.training and isinstance(m, nn.modules.dropout._DropoutNd))

# %% wrong | wrong-result | 1 point | every module in training mode
def live_modules(model):
    return sorted(name for name, m in model.named_modules() if m.training)

# %% wrong | wrong-result | 2 points | skips dropout with p=0
def live_modules(model):
    names = []
    for name, m in model.named_modules():
        if isinstance(m, nn.modules.dropout._DropoutNd) and m.training and m.p > 0:
            names.append(name)
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training:
            names.append(name)
    return sorted(names)

# %% wrong | wrong-result | 2 points | skips BatchNorm that tracks nothing
def live_modules(model):
    names = []
    for name, m in model.named_modules():
        if isinstance(m, nn.modules.dropout._DropoutNd) and m.training:
            names.append(name)
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training and m.track_running_stats:
            names.append(name)
    return sorted(names)

# %% wrong | wrong-result | 2 points | not sorted
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return [name for name, m in model.named_modules() if m.training and isinstance(m, family)]

# %% wrong | wrong-result | 2 points | matches on the class name
def live_modules(model):
    names = []
    for name, m in model.named_modules():
        kind = type(m).__name__
        if m.training and ("Dropout" in kind or "BatchNorm" in kind):
            names.append(name)
    return sorted(names)

# %% wrong | wrong-result | 2 points | skips the root
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(name for name, m in model.named_modules() if name and m.training and isinstance(m, family))

# %% wrong | wrong-result | 0 points | last part of the name only
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(
        name.split(".")[-1] for name, m in model.named_modules() if m.training and isinstance(m, family)
    )

# %% wrong | wrong-result | 0 points | modules instead of names
def live_modules(model):
    family = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return [m for _, m in sorted(model.named_modules(), key=lambda p: p[0]) if m.training and isinstance(m, family)]

# %% wrong | wrong-result | 0 points | stub left in place
def live_modules(model):
    raise NotImplementedError("live_modules is not written yet")

# %% wrong | wrong-result | 0 points | always the empty list
def live_modules(model):
    return []

# %% right | numpy sorts the names
import numpy as np


def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return list(np.sort(np.array([n for n, m in model.named_modules() if m.training and isinstance(m, kinds)], dtype=str)))

# %% wrong | wrong-result | a model that is a layer itself is always live
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    if isinstance(model, kinds):
        return [""]
    return sorted(n for n, m in model.named_modules() if m.training and isinstance(m, kinds))

# %% wrong | wrong-result | keeps its first answer for a model
import functools


@functools.lru_cache(None)
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(n for n, m in model.named_modules() if m.training and isinstance(m, kinds))

# %% wrong | wrong-result | a sleeping container hides what it holds
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    modules = dict(model.named_modules())
    return sorted(
        n
        for n, m in modules.items()
        if m.training and isinstance(m, kinds) and ("." not in n or modules[n.rpartition(".")[0]].training)
    )

# %% wrong | wrong-result | BatchNorm by the name of its class
def live_modules(model):
    drop = nn.modules.dropout._DropoutNd
    return sorted(
        n
        for n, m in model.named_modules()
        if m.training and (isinstance(m, drop) or "BatchNorm" in type(m).__name__)
    )

# %% wrong | wrong-result | only those that would change something
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(
        n
        for n, m in model.named_modules()
        if m.training and isinstance(m, kinds) and getattr(m, "momentum", 1) and getattr(m, "p", 0.5) < 1
    )

# %% wrong | wrong-result | leaves of the tree only
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(
        n for n, m in model.named_modules() if m.training and isinstance(m, kinds) and not list(m.children())
    )

# %% wrong | wrong-result | sorted as a person would
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    found = [n for n, m in model.named_modules() if m.training and isinstance(m, kinds)]
    return sorted(found, key=lambda name: [part.zfill(8) if part.isdigit() else part for part in name.split(".")])

# %% wrong | wrong-result | the modules themselves
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return [m for m in model.modules() if m.training and isinstance(m, kinds)]

# %% wrong | wrong-result | the last part of each name
def live_modules(model):
    kinds = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
    return sorted(n.rpartition(".")[2] for n, m in model.named_modules() if m.training and isinstance(m, kinds))
