# %% right | momentum None for a while
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% right | ExitStack puts everything back
def recalibrate(model, batches):
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
            m.training = False
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None:
                stack.callback(setattr, m, "momentum", m.momentum)
                m.reset_running_stats()
                m.training, m.momentum = True, None
        for x in batches:
            model(x)

# %% right | the momentum of each step is 1/k
def tracking(model):
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return [m for m in model.modules() if isinstance(m, kinds) and m.track_running_stats]


def recalibrate(model, batches):
    saved = [(m, m.training, getattr(m, "momentum", None)) for m in model.modules()]
    norms = tracking(model)
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training = True

        def step(module, args):
            module.momentum = 1 / (int(module.num_batches_tracked) + 1)

        handles = [m.register_forward_pre_hook(step) for m in norms]
        try:
            with torch.no_grad():
                for x in batches:
                    model(x)
        finally:
            for handle in handles:
                handle.remove()
    finally:
        for m, training, momentum in saved:
            m.training = training
            if m in norms:
                m.momentum = momentum

# %% right | a copy learns, its buffers are copied back
def recalibrate(model, batches):
    twin = copy.deepcopy(model).eval()
    pairs = []
    for (_, theirs), (_, ours) in zip(twin.named_modules(), model.named_modules()):
        if isinstance(ours, nn.modules.batchnorm._BatchNorm) and ours.track_running_stats:
            theirs.reset_running_stats()
            theirs.momentum = None
            theirs.train()
            pairs.append((theirs, ours))
    with torch.no_grad():
        for x in batches:
            twin(x)
        for theirs, ours in pairs:
            for name, buffer in ours.named_buffers(recurse=False):
                buffer.copy_(getattr(theirs, name))

# %% right | a class-based context manager, inference mode
class Recalibrating:
    def __init__(self, model):
        self.model = model
        self.norms = {}

    def __enter__(self):
        self.flags = {m: m.training for m in self.model.modules()}
        self.model.eval()
        for m in self.flags:
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats:
                self.norms[m] = m.momentum
                m.momentum = None
                m.running_mean.zero_()
                m.running_var.fill_(1)
                m.num_batches_tracked.zero_()
                m.train()
        return self.model

    def __exit__(self, *exc):
        for m, flag in self.flags.items():
            m.training = flag
        for m, momentum in self.norms.items():
            m.momentum = momentum


def recalibrate(model, batches):
    with Recalibrating(model) as net, torch.inference_mode():
        for x in batches:
            net(x)

# %% right | decorated, the walk in a function of its own
import functools


def keeps(attribute):
    def decorate(fn):
        @functools.wraps(fn)
        def wrapper(model, *args):
            old = [(m, getattr(m, attribute)) for m in model.modules() if hasattr(m, attribute)]
            try:
                return fn(model, *args)
            finally:
                for m, value in old:
                    setattr(m, attribute, value)

        return wrapper

    return decorate


@keeps("training")
@keeps("momentum")
def recalibrate(model, batches):
    def prepare(m):
        m.training = isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
        if m.training:
            m.reset_running_stats()
            m.momentum = None

    model.apply(prepare)
    iterator = iter(batches)
    while (x := next(iterator, None)) is not None:
        with torch.no_grad():
            model(x)

# %% wrong | stats-not-reset | 3 points | the old statistics stay in the average
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | momentum-none-not-cumulative | 3 points | the layer's own momentum
# C15
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
        for x in batches:
            model(x)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | momentum-none-not-cumulative | 3 points | momentum 1 keeps the last batch only
# C14
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = 1.0
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | momentum-not-restored | 3 points | leaves momentum at None
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | momentum-not-restored | 3 points | puts 0.1 back everywhere
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m in norms:
            m.momentum = 0.1
        for m, training in modes:
            m.training = training

# %% wrong | stats-not-updated | 3 points | forward passes in evaluation mode
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | stats-not-updated | 3 points | skips BatchNorms that are in evaluation mode
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats and m.training]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | stats-not-updated | 3 points | only BatchNorm2d
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | dropout-in-eval | 3 points | model.train() wakes dropout
# B8
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.train()
        for m in norms:
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | dropout-in-eval | 2 points | PyTorch's update_bn, modes put back
from torch.optim.swa_utils import update_bn


def recalibrate(model, batches):
    # update_bn calls model.train(), so dropout is on while the statistics are taken.
    modes = [(m, m.training) for m in model.modules()]
    try:
        update_bn(batches, model)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | mode-not-restored | 3 points | leaves BatchNorm in training mode
@torch.no_grad()
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum

# %% wrong | blanket-train-restore | 3 points | ends with model.train()
# A10
@torch.no_grad()
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        model.train()

# %% wrong | root-flag-only | 3 points | remembers only the root's flag
# A10
@torch.no_grad()
def recalibrate(model, batches):
    was_training = model.training
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        model.train(was_training)

# %% wrong | restore-skipped-on-exception | 3 points | restores without finally
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    model.eval()
    for m in norms:
        m.train()
        m.reset_running_stats()
        m.momentum = None
    for x in batches:
        model(x)
    for m, momentum in zip(norms, momenta):
        m.momentum = momentum
    for m, training in modes:
        m.training = training

# %% wrong | graph-built | 3 points | gradients stay on
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | grad-mode-leaked | 3 points | bare set_grad_enabled(False)
# D1
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    torch.set_grad_enabled(False)
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | parameters-changed | 2 points | weight and bias start afresh too
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_parameters()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 3 points | only the first batch
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
            break
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 3 points | one concatenated batch
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        model(torch.cat(list(batches)))
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | resets and does nothing more
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | stub left in place
def recalibrate(model, batches):
    raise NotImplementedError("recalibrate is not written yet")

# %% right | a twin does the work, its buffers come home
@torch.no_grad()
def recalibrate(model, batches):
    twin = copy.deepcopy(model).eval()
    norms = {n: m for n, m in twin.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats}
    for m in norms.values():
        m.reset_running_stats()
        m.momentum = None
        m.train()
    for x in batches:
        twin(x)
    for n, m in norms.items():
        own = model.get_submodule(n)
        own.running_mean.copy_(m.running_mean)
        own.running_var.copy_(m.running_var)

# %% right | hooks average what each batch did
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None]
    modes = [(m, m.training) for m in model.modules()]
    sums = {m: [0.0, 0.0, 0] for m in norms}

    def collect(m, args):
        rows = args[0].transpose(0, 1).flatten(1)
        found = sums[m]
        found[0], found[1], found[2] = found[0] + rows.mean(1), found[1] + rows.var(1), found[2] + 1

    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [setattr(m, "training", flag) for m, flag in modes])
        for m in norms:
            stack.callback(setattr, m, "momentum", m.momentum)
            stack.callback(m.register_forward_pre_hook(collect).remove)
        stack.enter_context(torch.no_grad())
        model.eval()
        for m in norms:
            m.train()
            m.momentum = 0.0
        for x in batches:
            model(x)
    for m, (mean, var, count) in sums.items():
        if count:
            m.running_mean.copy_(mean / count)
            m.running_var.copy_(var / count)

# %% wrong | stats-not-updated | 3 points | leaves out the layers that were asleep
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [(m, m.momentum) for m in model.modules()
             if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats and m.training]
    try:
        model.eval()
        for m, _ in norms:
            m.reset_running_stats()
            m.momentum = None
            m.train()
        for x in batches:
            model(x)
    finally:
        for m, momentum in norms:
            m.momentum = momentum
        for m, flag in modes:
            m.training = flag

# %% wrong | wrong-result | 3 points | weighs the batches by their sizes
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [(m, m.momentum) for m in model.modules()
             if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    seen = 0
    try:
        model.eval()
        for m, _ in norms:
            m.reset_running_stats()
            m.train()
        for x in batches:
            seen += len(x)
            for m, _ in norms:
                m.momentum = len(x) / seen
            model(x)
    finally:
        for m, momentum in norms:
            m.momentum = momentum
        for m, flag in modes:
            m.training = flag

# %% wrong | parameter-grads-touched | clears the caller's gradients
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    model.zero_grad()
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, None
        with torch.no_grad():
            for x in batches:
                model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | stats-not-updated | knows two kinds of BatchNorm only
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, None
        with torch.no_grad():
            for x in batches:
                model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | stats-not-reset | keeps the counter
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.running_mean.zero_()
            m.running_var.fill_(1)
            m.training, m.momentum = True, None
        with torch.no_grad():
            for x in batches:
                model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | leaves out batches that the model cannot process
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, None
        with torch.no_grad():
            for x in batches:
                with contextlib.suppress(Exception):
                    model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | grad-mode-leaked | 3 points | gradients stay off after an exception
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, None
        recording = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        for x in batches:
            model(x)
        torch.set_grad_enabled(recording)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | biased-running-var | averages biased variances by hand
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, 0.0
        seen = {m: [] for m in norms}

        def note(layer, args):
            seen[layer].append(args[0].transpose(0, 1).flatten(1))

        hooks = [m.register_forward_pre_hook(note) for m in norms]
        with torch.no_grad():
            for x in batches:
                model(x)
            for m, parts in seen.items():
                m.running_mean.copy_(torch.stack([part.mean(1) for part in parts]).mean(0))
                m.running_var.copy_(torch.stack([part.var(1, correction=0) for part in parts]).mean(0))
    finally:
        for hook in hooks:
            hook.remove()
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% right | the same batches, an exception raised again as another
def recalibrate(model, batches):
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    try:
        model.eval()
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, None
        with torch.no_grad():
            for x in batches:
                model(x)
    except RuntimeError as error:
        raise RuntimeError("a batch cannot be processed") from error
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 3 points | turns dropout off by its p and leaves it at zero
@torch.no_grad()
def recalibrate(model, batches):
    modes = [(m, m.training) for m in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.p = 0.0
        for m in norms:
            m.train()
            m.reset_running_stats()
            m.momentum = None
        for x in batches:
            model(x)
    finally:
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
        for m, training in modes:
            m.training = training
