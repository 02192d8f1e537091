# %% right | autograd.grad on a fresh leaf
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            logits = model(leaf)
            (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% right | backward into the inputs only
@torch.enable_grad()
def saliency(model, x, target):
    saved = {m: m.training for m in model.modules()}
    try:
        leaf = x.detach().clone()
        leaf.requires_grad = True
        score = model.eval()(leaf)[torch.arange(len(x)), target].sum()
        score.backward(inputs=[leaf])
        return leaf.grad.detach().abs()
    finally:
        for m in saved:
            m.training = saved[m]

# %% right | backward on a deep copy
def saliency(model, x, target):
    twin = copy.deepcopy(model).eval()
    with torch.enable_grad():
        z = torch.tensor(x.tolist(), dtype=x.dtype, requires_grad=True)
        logits = twin(z)
        mask = F.one_hot(target, logits.shape[1]).to(logits.dtype)
        logits.backward(mask)
    return z.grad.abs()

# %% right | saves every gradient, calls backward, puts them back
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    grads = [(p, p.grad) for p in model.parameters()]
    try:
        for p, _ in grads:
            p.grad = None
        model.eval()
        with torch.set_grad_enabled(True):
            z = x.detach().clone().requires_grad_(True)
            F.nll_loss(model(z), target, reduction="sum").backward()
        return z.grad.abs()
    finally:
        for p, g in grads:
            p.grad = g
        for m, training in modes:
            m.training = training

# %% right | torch.func.grad of the summed scores
from torch.func import functional_call, grad


def saliency(model, x, target):
    weights = {k: p.detach() for k, p in model.named_parameters()}

    def score(z):
        return functional_call(model, weights, (z,), tie_weights=False).take_along_dim(target.unsqueeze(1), 1).sum()

    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        model.eval()
        stack.enter_context(torch.enable_grad())
        return grad(score)(x.detach()).abs().detach()

# %% right | vmap of a gradient per sample
def saliency(model, x, target):
    def one(sample, label):
        return model(sample[None])[0].gather(0, label[None]).sum()

    modes = [m.training for m in model.modules()]
    model.eval()
    try:
        with torch.enable_grad():
            result = torch.func.vmap(torch.func.grad(one))(x.detach(), target)
        return result.detach().abs()
    finally:
        for m, training in zip(model.modules(), modes):
            m.training = training

# %% right | one sample after the other
def saliency(model, x, target):
    modes = {name: m.training for name, m in model.named_modules()}
    rows = []
    try:
        model.eval()
        with torch.enable_grad():
            for sample, label in zip(x.detach(), target.tolist()):
                z = sample.clone().unsqueeze(0).requires_grad_()
                rows += torch.autograd.grad(model(z)[0, label], [z])
    finally:
        for name, m in model.named_modules():
            m.training = modes[name]
    return torch.cat(rows).abs()

# %% right | a callable class that hooks the leaf
class Saliency:
    def __call__(self, model, x, target):
        modes = [(m, m.training) for m in model.modules()]
        caught = []
        try:
            for m, _ in modes:
                m.training = False
            with torch.enable_grad():
                z = x.detach().clone().requires_grad_()
                z.register_hook(lambda g: caught.append(g.detach().abs()))
                logits = model(z)
                picked = sum(logits[i, t] for i, t in enumerate(target.tolist()))
                torch.autograd.grad(picked, z)
            return caught[0]
        finally:
            for m, training in modes:
                m.training = training


saliency = Saliency()

# %% wrong | eval-never-called | 1 point | gradients with dropout on
def saliency(model, x, target):
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        logits = model(leaf)
        (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
    return grad.abs()

# %% wrong | mode-not-restored | 3 points | leaves the model in evaluation mode
# A8
def saliency(model, x, target):
    model.eval()
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        logits = model(leaf)
        (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
    return grad.abs()

# %% wrong | blanket-train-restore | 3 points | ends with model.train()
# A10
def saliency(model, x, target):
    model.eval()
    try:
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            logits = model(leaf)
            (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        return grad.abs()
    finally:
        model.train()

# %% wrong | restore-skipped-on-exception | 3 points | restores without finally
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        logits = model(leaf)
        (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
    for m, training in modes:
        m.training = training
    return grad.abs()

# %% wrong | root-flag-only | 3 points | remembers only the root's flag
def saliency(model, x, target):
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            logits = model(leaf)
            (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        return grad.abs()
    finally:
        model.train(was_training)

# %% wrong | input-touched | 3 points | switches gradients on for the caller's x
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            x.requires_grad_()
            logits = model(x)
            (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), x)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | input-touched | 2 points | leaves a gradient in the caller's x
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    needed = x.requires_grad
    try:
        model.eval()
        with torch.enable_grad():
            x.requires_grad_()
            model(x).gather(1, target[:, None]).sum().backward(inputs=[x])
        return x.grad.abs()
    finally:
        x.requires_grad_(needed)
        for m, training in modes:
            m.training = training

# %% wrong | parameter-grads-touched | 3 points | backward fills every parameter's grad
# A1
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            model(leaf).gather(1, target[:, None]).sum().backward()
        return leaf.grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | parameter-grads-touched | 3 points | zero_grad throws the caller's gradients away
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            model(leaf).gather(1, target[:, None]).sum().backward()
            model.zero_grad()
        return leaf.grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-disabled-in-training | 3 points | relies on the caller's grad mode
# Raises when the caller is under no_grad.
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        leaf = x.detach().clone().requires_grad_()
        logits = model(leaf)
        (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-mode-leaked | 3 points | bare set_grad_enabled(True)
# D1
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    torch.set_grad_enabled(True)
    try:
        model.eval()
        leaf = x.detach().clone().requires_grad_()
        logits = model(leaf)
        (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | graph-built | 3 points | result still requires grad
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            logits = model(leaf)
            score = logits.gather(1, target[:, None]).sum() + 0 * logits.square().sum()
            (grad,) = torch.autograd.grad(score, leaf, create_graph=True)
            return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | sign kept
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            logits = model(leaf)
            (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).sum(), leaf)
        return grad
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | mean over the batch
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            logits = model(leaf)
            (grad,) = torch.autograd.grad(logits.gather(1, target[:, None]).mean(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | the largest logit instead of the target's
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (grad,) = torch.autograd.grad(model(leaf).amax(dim=1).sum(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | derivative of the probability
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            proba = model(leaf).softmax(dim=1)
            (grad,) = torch.autograd.grad(proba.gather(1, target[:, None]).sum(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | derivative of the loss
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (grad,) = torch.autograd.grad(F.cross_entropy(model(leaf), target, reduction="sum"), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | columns picked for the whole batch
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            # One row per sample and one column per target: every sample counts every target.
            (grad,) = torch.autograd.grad(model(leaf)[:, target].sum(), leaf)
        return grad.abs()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | zeros
def saliency(model, x, target):
    return torch.zeros_like(x)

# %% wrong | wrong-result | 0 points | stub left in place
def saliency(model, x, target):
    raise NotImplementedError("saliency is not written yet")

# %% wrong | root-flag-only | 2 points | switches only if the root is in training mode
def saliency(model, x, target):
    modes = [(m, m.training) for m in model.modules()]
    if model.training:
        model.eval()
    try:
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (grad,) = torch.autograd.grad(model(leaf).gather(1, target[:, None]).sum(), leaf)
    finally:
        for m, training in modes:
            m.training = training
    return grad.abs()

# %% wrong | blanket-train-restore | 3 points | train(), then eval() on each that slept
# eval() goes through all that lies below.
def saliency(model, x, target):
    asleep = [m for m in model.modules() if not m.training]
    model.eval()
    try:
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (grad,) = torch.autograd.grad(model(leaf).gather(1, target[:, None]).sum(), leaf)
    finally:
        model.train()
        for m in asleep:
            m.eval()
    return grad.abs()
