# %% right | samples stacked
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% right | a deep copy with the dropouts on
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def mc_predict(model, x, n_samples=100):
    twin = copy.deepcopy(model).eval()
    for m in filter(lambda m: isinstance(m, DROPOUTS), twin.modules()):
        m.training = True
    with torch.no_grad():
        draws = [twin(x) for _ in range(n_samples)]
    std, mean = torch.std_mean(torch.stack(draws, -1), dim=-1, correction=0)
    return mean, std

# %% right | Welford's running mean and variance
def mc_predict(model, x, n_samples=100):
    saved = {m: m.training for m in model.modules()}
    mean = square = None
    try:
        for m in saved:
            m.training = isinstance(m, nn.modules.dropout._DropoutNd)
        with torch.no_grad():
            for k in range(1, n_samples + 1):
                out = model(x)
                if mean is None:
                    mean, square = torch.zeros_like(out), torch.zeros_like(out)
                delta = out - mean
                mean = mean + delta / k
                square = square + delta * (out - mean)
    finally:
        for m in saved:
            m.training = saved[m]
    return mean, (square / n_samples).sqrt()

# %% right | one large batch of repeats
def mc_predict(model, x, n_samples=100):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        stack.enter_context(torch.no_grad())
        model.eval()
        for name, m in model.named_modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train(True)
        out = model(x.repeat(n_samples, *[1] * (x.dim() - 1)))
        out = out.unflatten(0, (n_samples, len(x)))
        return out.mean(0), out.var(0, correction=0).sqrt()

# %% right | a hook arms each dropout just before it runs
def mc_predict(model, x, n_samples=100):
    dropouts = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    modes = [(m, m.training) for m in model.modules()]
    handles = [m.register_forward_pre_hook(lambda m, args: setattr(m, "training", True)) for m in dropouts]
    try:
        model.eval()
        with torch.inference_mode():
            samples = torch.stack([model(x) for _ in range(n_samples)])
    finally:
        for handle in handles:
            handle.remove()
        for m, training in modes:
            m.training = training
    with torch.no_grad():
        samples = samples.clone()
        mean = samples.mean(0)
        return mean, (samples - mean).square().mean(0).sqrt()

# %% right | a class-based context manager, sums in double precision
class DropoutOn:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.flags = [(m, m.training) for m in self.model.modules()]
        self.model.eval()
        for m, _ in self.flags:
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()

    def __exit__(self, *exc):
        for m, flag in self.flags:
            m.training = flag


def mc_predict(model, x, n_samples=100):
    with DropoutOn(model), torch.no_grad():
        total = squares = 0
        for _ in range(n_samples):
            out = model(x)
            total = total + out.double()
            squares = squares + out.double() ** 2
        mean = total / n_samples
        variance = (squares / n_samples - mean**2).clamp(min=0)
        return mean.to(out.dtype), variance.sqrt().to(out.dtype)

# %% right | vmap with different randomness
def mc_predict(model, x, n_samples=100):
    modes = {name: m.training for name, m in model.named_modules()}
    try:
        for m in model.modules():
            m.training = isinstance(m, nn.modules.dropout._DropoutNd)
        with torch.no_grad():
            draw = torch.func.vmap(lambda _: model(x), randomness="different")
            samples = draw(torch.arange(n_samples))
        return samples.mean(0), samples.std(0, correction=0)
    finally:
        for name, m in model.named_modules():
            m.training = modes[name]

# %% wrong | bn-live-in-mc-dropout | 4 points | model.train() wakes BatchNorm too
# B8
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | bn-live-in-mc-dropout | 4 points | train() on a copy: statistics of the batch, buffers spared
# B8
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    twin = copy.deepcopy(model).train()
    samples = torch.stack([twin(x) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0)

# %% wrong | dropout-missing | 3 points | plain evaluation mode
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | dropout-missing | 4 points | only nn.Dropout, not its relatives
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if type(m) is nn.Dropout:
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | dropout-missing | 4 points | only among the direct children
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.children():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | eval-never-called | 2 points | takes the modes as they come
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    samples = torch.stack([model(x) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0)

# %% wrong | mode-not-restored | 4 points | leaves the dropouts on
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    model.eval()
    for m in model.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.train()
    samples = torch.stack([model(x) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0)

# %% wrong | mode-not-restored | 4 points | leaves everything in evaluation mode
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        model.eval()

# %% wrong | blanket-train-restore | 4 points | ends with model.train()
# A10
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        model.train()

# %% wrong | root-flag-only | 4 points | remembers only the root's flag
# A10
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    was_training = model.training
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        model.train(was_training)

# %% wrong | restore-skipped-on-exception | 4 points | restores only when all went well
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    for m in model.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.train()
    samples = torch.stack([model(x) for _ in range(n_samples)])
    for m, training in modes:
        m.training = training
    return samples.mean(dim=0), samples.std(dim=0, correction=0)

# %% wrong | graph-built | 4 points | gradients stay on
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | graph-built | 4 points | detaches only the result
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)]).detach()
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-mode-leaked | 4 points | bare set_grad_enabled(False)
# D1
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        torch.set_grad_enabled(False)
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | fixed-mask | 4 points | the same random numbers for every sample
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = []
        for _ in range(n_samples):
            with torch.random.fork_rng(devices=[]):
                samples.append(model(x))
        samples = torch.stack(samples)
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | global-rng-disturbed | 4 points | seeds so that the answer repeats
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        torch.manual_seed(0)
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 4 points | standard deviation with correction 1
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 4 points | variance instead of standard deviation
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.var(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 4 points | always ten samples
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(10)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 4 points | statistics over the batch
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=1), samples.std(dim=1, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 4 points | averages softmax outputs nobody asked for
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x).softmax(-1) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 4 points | only the mean
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | stub left in place
def mc_predict(model, x, n_samples=100):
    raise NotImplementedError("mc_predict is not written yet")

# %% right | train flags by apply, powers summed in double precision
def mc_predict(model, x, n_samples=100):
    found = [(m, m.training) for m in model.modules()]
    model.apply(lambda m: setattr(m, "training", isinstance(m, nn.modules.dropout._DropoutNd)))
    try:
        with torch.inference_mode():
            outputs = [model(x).clone() for _ in range(n_samples)]
    finally:
        for m, flag in found:
            m.training = flag
    mean = sum(outputs) / n_samples
    return mean, (sum((y - mean) ** 2 for y in outputs) / n_samples) ** 0.5

# %% right | functional_call on a twin
def mc_predict(model, x, n_samples=100):
    twin = copy.deepcopy(model).eval()
    for m in twin.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.train()
    state = {k: v.detach() for k, v in twin.state_dict().items()}
    with torch.no_grad():
        y = torch.stack([torch.func.functional_call(twin, state, x) for _ in range(n_samples)])
    return torch.std_mean(y, dim=0, correction=0)[::-1]

# %% wrong | bn-live-in-mc-dropout | 4 points | train() with a momentum of 0: the buffers keep still, the batch's statistics are used
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    twin = copy.deepcopy(model).train()
    for m in twin.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.momentum = 0.0
    samples = torch.stack([twin(x) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0)

# %% wrong | eval-never-called | 4 points | train() and only BatchNorm back to eval()
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    twin = copy.deepcopy(model).train()
    for m in twin.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.eval()
    samples = torch.stack([twin(x) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0)

# %% wrong | wrong-result | 4 points | the standard error of the mean
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    twin = copy.deepcopy(model).eval()
    for m in twin.modules():
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.train()
    samples = torch.stack([twin(x) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0) / n_samples**0.5

# %% wrong | dropout-missing | three kinds of dropout out of six
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, (nn.Dropout, nn.Dropout1d, nn.AlphaDropout)):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | dropout-missing | all kinds but FeatureAlphaDropout
KINDS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, KINDS):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | dropout-missing | exact types, classes derived from them left out
KINDS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if type(m) in KINDS:
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | dropout-missing | layers with Dropout in their class's name
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if "Dropout" in type(m).__name__:
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | everything that has a p
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if hasattr(m, "p"):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% right | the base class found through its subclass
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.Dropout.__base__):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | the std corrected afterwards, NaN for one sample
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0) * ((n_samples - 1) / n_samples) ** 0.5
    finally:
        for m, training in modes:
            m.training = training

# %% right | the variance as mean of squares
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), (samples - samples.mean(dim=0)).pow(2).mean(dim=0).sqrt()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | parameter-grads-touched | clears the gradients first
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.zero_grad()
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | input-touched | clears the input's gradient
@torch.no_grad()
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    try:
        x.grad = None
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.modules.dropout._DropoutNd):
                m.train()
        samples = torch.stack([model(x) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-disabled-in-training | every parameter requires grad at the end
def mc_predict(model, x, n_samples=100):
    modes = [(m, m.training) for m in model.modules()]
    model.requires_grad_(False)
    try:
        for m, _ in modes:
            m.training = isinstance(m, nn.modules.dropout._DropoutNd)
        samples = torch.stack([model(x.detach()) for _ in range(n_samples)])
        return samples.mean(dim=0), samples.std(dim=0, correction=0)
    finally:
        model.requires_grad_(True)
        for m, training in modes:
            m.training = training
