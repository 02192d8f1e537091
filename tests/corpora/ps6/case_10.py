# %% right | evaluation mode, then the dropout layers alone
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% right | training mode, then the BatchNorm layers to sleep
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    with torch.inference_mode():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
        mean, std = samples.mean(dim=0), samples.std(dim=0, correction=0)
    for module, mode in modes.items():
        module.training = mode
    return mean.clone(), std.clone()


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% right | one big batch through a copy
def predict_with_spread(model, x, n_samples):
    sampler = copy.deepcopy(model).eval().requires_grad_(False)
    for name, module in sampler.named_modules():
        if "Dropout" in type(module).__name__:
            module.train()
    many = x.repeat(n_samples, *[1] * (x.dim() - 1))
    p = sampler(many).softmax(1).view(n_samples, len(x), -1)
    return p.mean(0), (p - p.mean(0)).square().mean(0).sqrt()


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% right | running sums, and a finally
def predict_with_spread(model, x, n_samples):
    flags = [(m, m.training) for m in model.modules()]
    try:
        for m, _ in flags:
            m.training = isinstance(m, (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout))
        mean = square = 0.0
        with torch.no_grad():
            for k in range(1, n_samples + 1):
                p = F.softmax(model(x), dim=1)
                delta = p - mean
                mean = mean + delta / k
                square = square + delta * (p - mean)
    finally:
        for m, flag in flags:
            m.training = flag
    return mean, (square / n_samples).sqrt()


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | bn-live-in-mc-dropout | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_10 import predict_with_spread

case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | bn-live-in-mc-dropout | 2 points | a good repair, called evaluation in training mode
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("eval-never-called", predict_with_spread)

# %% wrong | dropout-missing | 1 points | evaluation mode for everything
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | bn-live-in-mc-dropout | 1 points | the buffers are put back, the predictions were made with the batch's statistics
def predict_with_spread(model, x, n_samples):
    state = copy.deepcopy(model.state_dict())
    modes = {module: module.training for module in model.modules()}
    model.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    model.load_state_dict(state)
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | dropout-missing | 1 points | only nn.Dropout itself is woken
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | eval-never-called | 1 points | the modes are taken as they come
def predict_with_spread(model, x, n_samples):
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | mode-not-restored | 1 points | nobody goes back
def predict_with_spread(model, x, n_samples):
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    model.eval()
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | graph-built | 1 points | the modes are right, and a graph is recorded
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    samples = torch.stack([model(x).softmax(dim=1).detach() for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | fixed-mask | 1 points | one pass, copied
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1)] * n_samples)
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | wrong-result | 1 points | the spread of a sample, divided by n - 1
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | wrong-result | 1 points | the softmax of the mean logits
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        logits = torch.stack([model(x) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return logits.mean(dim=0).softmax(dim=1), logits.softmax(dim=2).std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | global-rng-disturbed | 1 points | always the same samples
def predict_with_spread(model, x, n_samples):
    torch.manual_seed(0)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | bn-live-in-mc-dropout | 1 points | training mode, then one kind of BatchNorm to sleep
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)

# %% wrong | dropout-missing | 1 points | only layers whose names begin with Dropout are woken
def predict_with_spread(model, x, n_samples):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if type(module).__name__.startswith("Dropout"):
            module.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)


case_10 = ("bn-live-in-mc-dropout", predict_with_spread)
