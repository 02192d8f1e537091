# %% right | set_grad_enabled as a context
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% right | two functions in a dispatch table
def forward(model, x, y, loss_fn, optimizer):
    logits = model(x)
    return logits, loss_fn(logits, y)


def train_step(model, x, y, loss_fn, optimizer):
    with torch.enable_grad():
        optimizer.zero_grad()
        logits, loss = forward(model, x, y, loss_fn, optimizer)
        loss.backward()
        optimizer.step()
    return logits.detach(), loss.detach()


STEPS = {"train": train_step, "val": torch.no_grad()(forward)}


def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in STEPS:
        raise ValueError(phase)
    if phase == "train" and optimizer is None:
        raise ValueError("no optimizer")
    saved = {m: m.training for m in model.modules()}
    rows = []
    try:
        model.train(phase == "train")
        for x, y in loader:
            logits, loss = STEPS[phase](model, x, y, loss_fn, optimizer)
            rows.append((float(loss) * len(y), int(torch.sum(logits.argmax(1) == y)), len(y)))
    finally:
        for m, flag in saved.items():
            m.training = flag
    loss, hits, n = map(sum, zip(*rows))
    return {"loss": loss / n, "accuracy": hits / n}

# %% right | ExitStack holds both switches
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase == "train":
        if optimizer is None:
            raise ValueError("an optimizer is needed for the phase 'train'")
        grad_mode = torch.enable_grad()
    elif phase == "val":
        grad_mode = torch.no_grad()
    else:
        raise ValueError(f"unknown phase {phase!r}")
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
            m.training = phase == "train"
        stack.enter_context(grad_mode)
        total = torch.zeros(3, dtype=torch.float64)
        for x, y in loader:
            out = model(x)
            loss = loss_fn(out, y)
            if phase == "train":
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            hits = (out.detach().argmax(1) == y).sum()
            total += torch.tensor([loss.item() * len(y), hits.item(), len(y)], dtype=torch.float64)
        return {"loss": (total[0] / total[2]).item(), "accuracy": (total[1] / total[2]).item()}

# %% right | a context manager that sets both switches
@contextlib.contextmanager
def switches(model, training):
    modes, grad = [(m, m.training) for m in model.modules()], torch.is_grad_enabled()
    try:
        model.train(training)
        torch.set_grad_enabled(training)
        yield
    finally:
        torch.set_grad_enabled(grad)
        for m, flag in modes:
            m.training = flag


def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in {"train", "val"} or (phase == "train" and optimizer is None):
        raise ValueError("phase is 'train' (with an optimizer) or 'val'")
    mean_loss = accuracy = 0.0
    seen = 0
    with switches(model, phase == "train"):
        for x, y in loader:
            if phase == "train":
                optimizer.zero_grad(set_to_none=True)
            logits = model(x)
            loss = loss_fn(logits, y)
            if phase == "train":
                loss.backward()
                optimizer.step()
            seen += len(y)
            mean_loss += (loss.item() - mean_loss) * len(y) / seen
            accuracy += ((logits.argmax(1) == y).double().mean().item() - accuracy) * len(y) / seen
    return {"loss": mean_loss, "accuracy": accuracy}

# %% right | a class with one method per phase, validation in inference mode
class Phase:
    def __init__(self, model, loss_fn, optimizer):
        self.model, self.loss_fn, self.optimizer = model, loss_fn, optimizer
        self.loss, self.hits, self.n = 0.0, 0, 0

    def count(self, logits, loss, y):
        self.loss += loss.item() * y.numel()
        self.hits += (logits.argmax(-1) == y).sum().item()
        self.n += y.numel()

    def train(self, loader):
        self.model.train()
        with torch.enable_grad():
            for x, y in loader:
                self.optimizer.zero_grad()
                logits = self.model(x)
                loss = self.loss_fn(logits, y)
                loss.backward()
                self.optimizer.step()
                self.count(logits, loss, y)

    def val(self, loader):
        self.model.eval()
        with torch.inference_mode():
            for x, y in loader:
                logits = self.model(x)
                self.count(logits, self.loss_fn(logits, y), y)


def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"unknown phase: {phase}")
    if phase == "train" and not optimizer:
        raise ValueError("phase 'train' without optimizer")
    flags = [m.training for m in model.modules()]
    run = Phase(model, loss_fn, optimizer)
    try:
        getattr(run, phase)(loader)
    finally:
        for m, flag in zip(model.modules(), flags):
            m.training = flag
    return {"loss": run.loss / run.n, "accuracy": run.hits / run.n}

# %% right | decorator for the modes, closures for the steps
import functools


def modes_come_back(fn):
    @functools.wraps(fn)
    def wrapper(model, *args, **kwargs):
        before = {name: m.training for name, m in model.named_modules()}
        try:
            return fn(model, *args, **kwargs)
        finally:
            for name, m in model.named_modules():
                m.training = before[name]

    return wrapper


@modes_come_back
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    match phase, optimizer:
        case "train", None:
            raise ValueError("train without optimizer")
        case "train", _:
            model.train()

            def learn(loss):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        case "val", _:
            model.eval()

            def learn(loss):
                pass
        case _:
            raise ValueError(f"phase {phase!r}")
    losses, hits = [], []
    for x, y in loader:
        with torch.set_grad_enabled(phase == "train"):
            logits = model(x)
            loss = loss_fn(logits, y)
            learn(loss)
        losses += [loss.item()] * len(y)
        hits += (logits.argmax(1) == y).tolist()
    return {"loss": sum(losses) / len(losses), "accuracy": sum(hits) / len(hits)}

# %% right | steps by closure, gradients cleared after the step, validation on a copy
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase == "val":
        twin = copy.deepcopy(model).requires_grad_(False).eval()
        outs = [(twin(x), y) for x, y in loader]
    elif phase == "train" and optimizer is not None:
        outs, found = [], {name: m.training for name, m in model.named_modules()}

        def closure(x, y):
            logits = model(x)
            loss = loss_fn(logits, y)
            loss.backward()
            outs.append((logits.detach(), y))
            return loss

        try:
            model.train()
            with torch.enable_grad():
                optimizer.zero_grad()
                for x, y in loader:
                    optimizer.step(lambda: closure(x, y))
                    optimizer.zero_grad()
        finally:
            for name, m in model.named_modules():
                m.training = found[name]
    else:
        raise ValueError(f"no phase {phase!r} with optimizer {optimizer!r}")
    logits, y = torch.cat([z for z, _ in outs]), torch.cat([t for _, t in outs])
    with torch.no_grad():
        loss = sum(loss_fn(z, t).item() * len(t) for z, t in outs) / len(y)
    return {"loss": float(loss), "accuracy": (logits.argmax(1) == y).double().mean().item()}

# %% wrong | eval-never-called | 4 points | validates in the mode it finds
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        if training:
            model.train()
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | train-never-called | 4 points | trains in the mode it finds
# A12, A14
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        if not training:
            model.eval()
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | grad-mode-as-mode-flag | 3 points | sets only the gradient switch
# A5
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | mode-not-restored | 4 points | leaves the phase's mode
# A7
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    model.train(training)
    loss_sum, correct, n = 0.0, 0, 0
    with torch.set_grad_enabled(training):
        for x, y in loader:
            logits = model(x)
            loss = loss_fn(logits, y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | blanket-train-restore | 4 points | always ends with model.train()
# A10
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        model.train()
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | root-flag-only | 4 points | remembers only the root's flag
# A10
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    was_training = model.training
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        model.train(was_training)
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | root-flag-only | 3 points | switches only the root's flag
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.training = training
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | restore-skipped-on-exception | 4 points | restores without finally
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    model.train(training)
    loss_sum, correct, n = 0.0, 0, 0
    with torch.set_grad_enabled(training):
        for x, y in loader:
            logits = model(x)
            loss = loss_fn(logits, y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    for m, was_training in modes:
        m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | graph-built | 4 points | gradients on in both phases
# A2, A3
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.enable_grad():
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | grad-mode-leaked | 4 points | bare set_grad_enabled(training)
# D1
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        torch.set_grad_enabled(training)
        for x, y in loader:
            logits = model(x)
            loss = loss_fn(logits, y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | grad-disabled-in-training | 4 points | no_grad only for validation, otherwise whatever the caller has
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with contextlib.nullcontext() if training else torch.no_grad():
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | validation-trains | 4 points | steps whenever there is an optimizer
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(optimizer is not None):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if optimizer is not None:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | zero-grad-missing | 4 points | never clears the gradients
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | batch-mean-of-means | 4 points | divides by the number of batches
# E1
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item()
                correct += (logits.argmax(1) == y).double().mean().item()
                n += 1
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | tensor-not-float | 4 points | returns tensors
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.detach() * len(y)
                correct += (logits.argmax(1) == y).sum()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | wrong-result | 4 points | any other phase counts as validation
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | wrong-result | 4 points | trains without an optimizer by not training
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training and optimizer is not None:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | mode-not-restored | 4 points | raises for a bad phase after it has switched
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    modes = [(m, m.training) for m in model.modules()]
    training = phase == "train"
    model.train(training)
    if phase not in ("train", "val") or (training and optimizer is None):
        raise ValueError("phase is 'train' (with an optimizer) or 'val'")
    try:
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | wrong-result | 4 points | the loss of the last batch
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss.item(), "accuracy": correct / n}

# %% wrong | wrong-result | 0 points | zeros
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError("phase is 'train' (with an optimizer) or 'val'")
    return {"loss": 0.0, "accuracy": 0.0}

# %% wrong | wrong-result | 0 points | stub left in place
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    raise NotImplementedError("run_phase is not written yet")

# %% wrong | parameter-grads-touched | 4 points | clears the gradients in both phases
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                model.zero_grad()
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | global-rng-disturbed | 3 points | seeds at the start of every phase
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        torch.manual_seed(0)
        model.train(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | grad-disabled-in-training | 4 points | freezes the parameters for validation and leaves them so
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        model.requires_grad_(training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | train-never-called | 3 points | the modes the wrong way round
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(not training)
        loss_sum, correct, n = 0.0, 0, 0
        with torch.set_grad_enabled(training):
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss_sum += loss.item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | grad-mode-leaked | 4 points | gradients on at the end, whatever the caller had
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"phase must be 'train' or 'val', not {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.train(training)
        torch.set_grad_enabled(training)
        loss_sum, correct, n = 0.0, 0, 0
        for x, y in loader:
            logits = model(x)
            loss = loss_fn(logits, y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    finally:
        torch.set_grad_enabled(True)
        for m, was_training in modes:
            m.training = was_training
    return {"loss": loss_sum / n, "accuracy": correct / n}

# %% wrong | parameter-grads-touched | clears the gradients before the loop, whatever the phase
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            if optimizer:
                optimizer.zero_grad()
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | zero-grad-missing | clears the gradients after each step only
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% right | clears the gradients before the loop and after each step
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            if training:
                optimizer.zero_grad()
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | wrong-result | does not mind capital letters in the phase
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    phase = phase.lower()
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | wrong-result | looks at how the phase begins
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if not phase.startswith(("train", "val")) or (phase.startswith("train") and optimizer is None):
        raise ValueError(phase)
    training = phase.startswith("train")
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | wrong-result | looks for the phase in a string
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in "train val" or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | root-flag-only | switches only where the root is in the other mode
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            if model.training != training:
                model.train(training)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | grad-disabled-in-training | unfreezes all parameters after a validation
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training).requires_grad_(training)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        model.requires_grad_(True)
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% right | freezes for a validation what was not frozen
def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val") or (phase == "train" and optimizer is None):
        raise ValueError(phase)
    training = phase == "train"
    found = [(m, m.training) for m in model.modules()]
    frozen = [] if training else [p for p in model.parameters() if p.requires_grad]
    total, hits, n = 0.0, 0, 0
    try:
        with torch.set_grad_enabled(training):
            model.train(training)
            for p in frozen:
                p.requires_grad_(False)
            for x, y in loader:
                logits = model(x)
                loss = loss_fn(logits, y)
                if training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                hits += (logits.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for p in frozen:
            p.requires_grad_(True)
        for m, flag in found:
            m.training = flag
    return {"loss": total / n, "accuracy": hits / n}

# %% wrong | eval-never-called | switches the children, not the model itself
@contextlib.contextmanager
def _switched(model, training):
    flags = [(m, m.training) for m in model.modules()]
    try:
        for child in model.children():
            child.train(training)
        with torch.set_grad_enabled(training):
            yield
    finally:
        for m, flag in flags:
            m.training = flag

def run_phase(model, loader, loss_fn, phase, optimizer=None):
    if phase not in ("train", "val"):
        raise ValueError(f"unknown phase {phase!r}")
    training = phase == "train"
    if training and optimizer is None:
        raise ValueError("training needs an optimizer")
    loss_sum, correct, n = 0.0, 0, 0
    with _switched(model, training):
        for x, y in loader:
            logits = model(x)
            loss = loss_fn(logits, y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(dim=1) == y).sum().item()
            n += len(y)
    return {"loss": loss_sum / n, "accuracy": correct / n}
