# %% right | running sums weighted by batch size
@torch.no_grad()
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(dim=1) == y).sum().item()
            n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% right | one concatenated batch
def evaluate(model, loader, loss_fn):
    xs, ys = zip(*loader)
    x, y = torch.cat(list(xs)), torch.cat(list(ys))
    training = {name: m.training for name, m in model.named_modules()}
    try:
        model.eval()
        with torch.no_grad():
            logits = model(x)
            return {
                "loss": float(loss_fn(logits, y)),
                "accuracy": float((logits.argmax(1) == y).double().mean()),
            }
    finally:
        for name, m in model.named_modules():
            m.training = training[name]

# %% right | logits collected, loss taken once at the end
def evaluate(model, loader, loss_fn):
    saved = {m: m.training for m in model.modules()}
    logits, labels = [], []
    try:
        with torch.inference_mode():
            for x, y in loader:
                logits.append(model.eval()(x))
                labels.append(y)
            logits, labels = torch.cat(logits), torch.cat(labels)
            hits = torch.eq(logits.max(dim=-1).indices, labels)
            return dict(loss=loss_fn(logits, labels).item(), accuracy=hits.sum().item() / hits.numel())
    finally:
        for m in saved:
            m.training = saved[m]

# %% right | a deep copy in evaluation mode
def evaluate(model, loader, loss_fn):
    twin = copy.deepcopy(model).eval()
    total = torch.zeros(3, dtype=torch.float64)
    with torch.no_grad():
        for x, y in loader:
            out = twin(x)
            total += torch.tensor(
                [loss_fn(out, y).item() * y.shape[0], (out.argmax(1) == y).sum().item(), y.shape[0]],
                dtype=torch.float64,
            )
    loss, right, n = total.tolist()
    return {"loss": loss / n, "accuracy": right / n}

# %% right | a frozen deep copy instead of no_grad
def evaluate(model, loader, loss_fn):
    twin = copy.deepcopy(model).requires_grad_(False).eval()
    loss = hits = n = 0
    for x, y in loader:
        out = twin(x.detach())
        loss += loss_fn(out, y).item() * len(y)
        hits += int((out.argmax(1) == y).sum())
        n += len(y)
    return {"loss": loss / n, "accuracy": hits / n}

# %% right | functional_call with detached parameters
from torch.func import functional_call


def evaluate(model, loader, loss_fn):
    weights = {name: p.detach() for name, p in model.named_parameters()}
    modes = [m.training for m in model.modules()]
    rows = []
    try:
        for m in model.modules():
            m.training = False
        for x, y in loader:
            with torch.no_grad():
                out = functional_call(model, weights, (x,), tie_weights=False)
                rows.append((loss_fn(out, y).item(), (out.argmax(1) == y).sum().item(), len(y)))
    finally:
        for m, mode in zip(model.modules(), modes):
            m.training = mode
    n = sum(row[2] for row in rows)
    return {"loss": sum(l * k for l, _, k in rows) / n, "accuracy": sum(h for _, h, _ in rows) / n}

# %% right | ExitStack with one callback per submodule
def evaluate(model, loader, loss_fn):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        stack.enter_context(torch.inference_mode())
        model.train(False)
        loss_sum, acc_sum, count = 0.0, 0.0, 0
        for x, y in loader:
            out = model(x)
            loss_sum += len(x) * loss_fn(out, y).item()
            acc_sum += float((out.softmax(1).argmax(1) == y).sum())
            count += len(x)
        return {"loss": loss_sum / count, "accuracy": acc_sum / count}

# %% right | hooks on the root switch the modes around each forward
def evaluate(model, loader, loss_fn):
    saved = []

    def before(module, args):
        saved[:] = [(m, m.training) for m in module.modules()]
        module.eval()

    def after(module, args, output):
        for m, training in saved:
            m.training = training

    handles = [model.register_forward_pre_hook(before), model.register_forward_hook(after, always_call=True)]
    try:
        loss, hits, n = 0.0, 0, 0
        for x, y in loader:
            with torch.no_grad():
                out = model(x)
                loss += loss_fn(out, y).item() * len(y)
                hits += (out.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for handle in handles:
            handle.remove()
    return {"loss": loss / n, "accuracy": hits / n}

# %% right | callable object with a running mean
class Evaluator:
    def __call__(self, model, loader, loss_fn):
        self.modes = [(m, m.training) for m in model.modules()]
        was_recording = torch.is_grad_enabled()
        try:
            torch.set_grad_enabled(False)
            model.eval()
            return self.run(model, loader, loss_fn)
        finally:
            torch.set_grad_enabled(was_recording)
            for m, training in self.modes:
                m.training = training

    def run(self, model, loader, loss_fn):
        seen, loss, accuracy = 0, 0.0, 0.0
        for x, y in loader:
            seen += len(y)
            out = model(x)
            loss += (loss_fn(out, y).item() - loss) * len(y) / seen
            accuracy += ((out.argmax(1) == y).double().mean().item() - accuracy) * len(y) / seen
        return {"loss": loss, "accuracy": accuracy}


evaluate = Evaluator()

# %% right | class-based context manager, sample by sample
class Eval:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.flags = [(m, m.training) for m in self.model.modules()]
        self.model.eval()
        return self.model

    def __exit__(self, *exc):
        for m, flag in self.flags:
            m.training = flag


def evaluate(model, loader, loss_fn):
    losses, hits = [], []
    with Eval(model) as net, torch.no_grad():
        for x, y in loader:
            out = net(x)
            for i in range(len(y)):
                losses.append(loss_fn(out[i : i + 1], y[i : i + 1]).item())
                hits.append(bool(out[i].argmax() == y[i]))
    return {"loss": sum(losses) / len(losses), "accuracy": sum(hits) / len(hits)}

# %% right | generator with try and finally feeds the sums
import functools


def outputs(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        for x, y in loader:
            with torch.no_grad():
                out = model(x)
                row = (loss_fn(out, y).item() * len(y), (out.argmax(1) == y).sum().item(), len(y))
            yield row
    finally:
        for m, training in modes:
            m.training = training


def finish(reduce, model, loader, loss_fn):
    loss, hits, n = reduce(outputs(model, loader, loss_fn))
    return {"loss": loss / n, "accuracy": hits / n}


evaluate = functools.partial(finish, lambda rows: [sum(column) for column in zip(*rows)])

# %% wrong | eval-never-called | 3 points | no_grad is taken to switch dropout off
# A4, A5
def evaluate(model, loader, loss_fn):
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | eval-never-called | 3 points | eval without parentheses
@torch.no_grad()
def evaluate(model, loader, loss_fn):
    model.eval
    loss, correct, n = 0.0, 0, 0
    for x, y in loader:
        logits = model(x)
        loss += loss_fn(logits, y).item() * len(y)
        correct += (logits.argmax(1) == y).sum().item()
        n += len(y)
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | mode-not-restored | 4 points | leaves the model in evaluation mode
# A7, A8
def evaluate(model, loader, loss_fn):
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | blanket-train-restore | 4 points | ends with model.train()
# A10
def evaluate(model, loader, loss_fn):
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        model.train()
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | root-flag-only | 4 points | remembers only the root's flag
# A10
def evaluate(model, loader, loss_fn):
    was_training = model.training
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        model.train(was_training)
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | root-flag-only | 3 points | switches only the root's flag
def evaluate(model, loader, loss_fn):
    was_training = model.training
    model.training = False
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        model.training = was_training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | restore-skipped-on-exception | 4 points | restores without finally
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    for m, training in modes:
        m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | batch-stats-in-eval | 3 points | keeps BatchNorm in training mode
# C4
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.train()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | dropout-in-eval | 3 points | switches only the BatchNorms
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    try:
        for m in model.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.eval()
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | graph-built | 4 points | eval is taken to stop gradients
# A2, A3
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | graph-built | 4 points | no_grad round the data, not the model
# D7
def evaluate(model, loader, loss_fn):
    with torch.no_grad():
        batches = [(x, y) for x, y in loader]
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        for x, y in batches:
            logits = model(x).detach()
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | grad-mode-leaked | 4 points | bare set_grad_enabled(False)
# D1
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    torch.set_grad_enabled(False)
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | grad-mode-leaked | 4 points | switches gradients on at the end
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    torch.set_grad_enabled(False)
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        for x, y in loader:
            logits = model(x)
            loss += loss_fn(logits, y).item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        # Wrong for a caller under no_grad.
        torch.set_grad_enabled(True)
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | batch-mean-of-means | 4 points | divides by the number of batches
# E1
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, accuracy, batches = 0.0, 0.0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item()
                accuracy += (logits.argmax(1) == y).float().mean().item()
                batches += 1
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / batches, "accuracy": accuracy / batches}

# %% wrong | batch-mean-of-means | 4 points | loss per batch, accuracy per sample
# E1
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        losses, correct, n = [], 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                losses.append(loss_fn(logits, y).item())
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": sum(losses) / len(losses), "accuracy": correct / n}

# %% wrong | tensor-not-float | 4 points | returns tensors
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y) * len(y)
                correct += (logits.argmax(1) == y).sum()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | tensor-not-float | 4 points | returns NumPy scalars
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        losses, hits, n = [], [], []
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                losses.append(loss_fn(logits, y).float().numpy() * len(y))
                hits.append((logits.argmax(1) == y).sum().numpy())
                n.append(len(y))
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": losses[0].dtype.type(sum(losses) / sum(n)), "accuracy": losses[0].dtype.type(sum(hits) / sum(n))}

# %% wrong | global-rng-disturbed | 4 points | reseeds so that the numbers repeat
def evaluate(model, loader, loss_fn):
    torch.manual_seed(0)
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | parameter-grads-touched | 4 points | clears the gradients first
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    model.zero_grad()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | nondeterministic | 4 points | fresh noise on the inputs
def evaluate(model, loader, loss_fn):
    generator = torch.Generator()
    generator.seed()
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                noise = torch.empty_like(x).normal_(generator=generator)
                logits = model(x + 0.1 * noise)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": correct / n}

# %% wrong | wrong-result | 4 points | accuracy in percent
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": loss / n, "accuracy": 100.0 * correct / n}

# %% wrong | wrong-result | 0 points | returns from inside the loop
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
                return {"loss": loss / n, "accuracy": correct / n}
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 3 points | a tuple instead of a dict
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        loss, correct, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return loss / n, correct / n

# %% wrong | wrong-result | 0 points | zeros whatever the model does
def evaluate(model, loader, loss_fn):
    return {"loss": 0.0, "accuracy": 0.0}

# %% wrong | wrong-result | 0 points | stub left in place
def evaluate(model, loader, loss_fn):
    raise NotImplementedError("evaluate is not written yet")

# %% right | a new loader with one batch, made of the loader's dataset
def evaluate(model, loader, loss_fn):
    was = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            everything = torch.utils.data.DataLoader(loader.dataset, batch_size=len(loader.dataset))
            x, y = next(iter(everything))
            logits = model(x)
            loss = loss_fn(logits, y).item()
            accuracy = (logits.argmax(1) == y).sum().item() / len(y)
    finally:
        for m, flag in was:
            m.training = flag
    return {"loss": loss, "accuracy": accuracy}

# %% right | decorated with inference_mode, numbers through NumPy
@torch.inference_mode()
def evaluate(model, loader, loss_fn):
    import numpy as np

    modes = {name: m.training for name, m in model.named_modules()}
    model.train(False)
    try:
        losses, hits, sizes = [], [], []
        for x, y in loader:
            out = model(x)
            losses.append(float(loss_fn(out, y)))
            hits.append((out.argmax(-1) == y).double().mean().item())
            sizes.append(y.shape[0])
    finally:
        for name, m in model.named_modules():
            m.training = modes[name]
    return {"loss": float(np.average(losses, weights=sizes)), "accuracy": float(np.average(hits, weights=sizes))}

# %% right | a second model built from the state dict
def evaluate(model, loader, loss_fn):
    with torch.random.fork_rng(devices=[]):
        twin = type(model)()
    twin.to(next(model.parameters()).dtype).load_state_dict(model.state_dict())
    twin.eval().requires_grad_(False)
    twin.fragile = getattr(model, "fragile", False)
    total, right, n = 0.0, 0, 0
    for x, y in loader:
        z = twin(x)
        total += loss_fn(z, y).item() * len(y)
        right += int((z.max(1).indices == y).sum())
        n += len(y)
    return {"loss": total / n, "accuracy": right / n}

# %% wrong | wrong-result | 4 points | sets every dropout's p to zero and leaves it
def evaluate(model, loader, loss_fn):
    was = [(m, m.training) for m in model.modules()]
    for m in model.modules():
        m.training = False
        if isinstance(m, nn.modules.dropout._DropoutNd):
            m.p = 0.0
    try:
        total, right, n = 0.0, 0, 0
        with torch.no_grad():
            for x, y in loader:
                z = model(x)
                total += loss_fn(z, y).item() * len(y)
                right += (z.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in was:
            m.training = flag
    return {"loss": total / n, "accuracy": right / n}

# %% wrong | grad-disabled-in-training | 4 points | freezes every parameter instead of using no_grad
def evaluate(model, loader, loss_fn):
    was = [(m, m.training) for m in model.modules()]
    model.eval()
    for p in model.parameters():
        p.requires_grad_(False)
    try:
        total, right, n = 0.0, 0, 0
        for x, y in loader:
            z = model(x)
            total += loss_fn(z, y).item() * len(y)
            right += (z.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        for m, flag in was:
            m.training = flag
    return {"loss": total / n, "accuracy": right / n}

# %% right | each weight's requires_grad flag is remembered
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    flags = [(p, p.requires_grad) for p in model.parameters()]
    total, hits, n = 0.0, 0, 0
    try:
        model.eval().requires_grad_(False)
        for x, y in loader:
            logits = model(x)
            total += loss_fn(logits, y).item() * len(y)
            hits += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        for m, training in modes:
            m.training = training
        for p, flag in flags:
            p.requires_grad_(flag)
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | grad-disabled-in-training | 4 points | thaws every parameter in the end, frozen ones too
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        model.eval().requires_grad_(False)
        for x, y in loader:
            logits = model(x)
            total += loss_fn(logits, y).item() * len(y)
            hits += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        model.requires_grad_(True)
        for m, training in modes:
            m.training = training
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | wrong-result | 4 points | always cross entropy, whatever loss_fn is given
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        model.eval()
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                total += F.cross_entropy(logits, y, reduction="sum").item()
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, training in modes:
            m.training = training
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | restore-skipped-on-exception | 4 points | only the forward passes are inside the try
def evaluate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]

    def restore():
        for m, training in modes:
            m.training = training

    model.eval()
    total, hits, n = 0.0, 0, 0
    for x, y in loader:
        try:
            with torch.no_grad():
                logits = model(x)
        except BaseException:
            restore()
            raise
        total += loss_fn(logits, y).item() * len(y)
        hits += (logits.argmax(1) == y).sum().item()
        n += len(y)
    restore()
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | eval-never-called | puts the children in evaluation mode, not the model itself
def evaluate(model, loader, loss_fn):
    flags = [(m, m.training) for m in model.modules()]
    loss_sum, hits, n = 0.0, 0, 0
    try:
        for child in model.children():
            child.eval()
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss_sum += loss_fn(logits, y).item() * len(y)
                hits += (logits.argmax(dim=1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in flags:
            m.training = flag
    return {"loss": loss_sum / n, "accuracy": hits / n}

# %% wrong | root-flag-only | remembers its own mode and those of its children, not what is below them
def evaluate(model, loader, loss_fn):
    root = model.training
    flags = [(m, m.training) for m in model.children()]
    loss_sum, hits, n = 0.0, 0, 0
    try:
        model.eval()
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss_sum += loss_fn(logits, y).item() * len(y)
                hits += (logits.argmax(dim=1) == y).sum().item()
                n += len(y)
    finally:
        model.training = root
        for m, flag in flags:
            m.train(flag)
    return {"loss": loss_sum / n, "accuracy": hits / n}
