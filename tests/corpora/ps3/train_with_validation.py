# %% right | fork_rng round every validation
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% right | RNG state saved and set by hand
def validate(model, loader, loss_fn):
    state = torch.get_rng_state()
    flags = {m: m.training for m in model.modules()}
    loss = hits = count = 0
    try:
        model.eval()
        with torch.inference_mode():
            for x, y in loader:
                out = model(x)
                loss += loss_fn(out, y).item() * y.numel()
                hits += out.argmax(1).eq(y).sum().item()
                count += y.numel()
    finally:
        for m, flag in flags.items():
            m.training = flag
        torch.set_rng_state(state)
    return loss / count, hits / count


def train_epoch(model, loader, loss_fn, optimizer):
    model.train()
    loss_sum = count = 0
    for x, y in loader:
        loss = loss_fn(model(x), y)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * y.numel()
        count += y.numel()
    return loss_sum / count


def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    before = {m: m.training for m in model.modules()}
    train_loss, val = [], []
    try:
        for _ in range(epochs):
            train_loss.append(train_epoch(model, train_loader, loss_fn, optimizer))
            if val_loader is not None:
                val.append(validate(model, val_loader, loss_fn))
    finally:
        for m, flag in before.items():
            m.training = flag
    return {"train_loss": train_loss, "val_loss": [v for v, _ in val], "val_accuracy": [a for _, a in val]}

# %% right | validation batches cached once
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    batches = None
    if val_loader is not None:
        with torch.random.fork_rng(devices=[]):
            batches = [(x.clone(), y.clone()) for x, y in val_loader]
    history = dict(train_loss=[], val_loss=[], val_accuracy=[])
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        stack.enter_context(torch.enable_grad())
        for epoch in range(epochs):
            model.train()
            losses, sizes = [], []
            for x, y in train_loader:
                optimizer.zero_grad(set_to_none=True)
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach().double() * len(y))
                sizes.append(len(y))
            history["train_loss"].append((sum(losses) / sum(sizes)).item())
            if batches is not None:
                model.eval()
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    rows = [(model(x), y) for x, y in batches]
                    n = sum(len(y) for _, y in rows)
                    history["val_loss"].append(sum(loss_fn(o, y).item() * len(y) for o, y in rows) / n)
                    history["val_accuracy"].append(sum((o.argmax(1) == y).sum().item() for o, y in rows) / n)
    return history

# %% right | validates a deep copy
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    found = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}

    def validate():
        twin = copy.deepcopy(model).eval()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            pairs = [(twin(x), y) for x, y in val_loader]
        logits, y = map(torch.cat, zip(*pairs))
        return float(loss_fn(logits, y)), float((logits.argmax(1) == y).double().mean())

    try:
        model.train()
        for _ in range(epochs):
            mean = seen = 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                seen += len(y)
                mean += (loss.item() - mean) * len(y) / seen
            history["train_loss"].append(float(mean))
            if val_loader is not None:
                loss, accuracy = validate()
                history["val_loss"].append(loss)
                history["val_accuracy"].append(accuracy)
    finally:
        for m, training in found:
            m.training = training
    return history

# %% right | snapshots first, all validation at the end
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = {name: m.training for name, m in model.named_modules()}
    snapshots, train_loss, val_loss, val_accuracy = [], [], [], []
    try:
        model.train()
        for _ in range(epochs):
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total, n = total + loss.item() * len(x), n + len(x)
            train_loss.append(total / n)
            snapshots.append(copy.deepcopy(model))
        if val_loader is not None:
            rng = torch.get_rng_state()
            try:
                for twin in snapshots:
                    twin.eval()
                    total, hits, n = 0.0, 0, 0
                    with torch.no_grad():
                        for x, y in val_loader:
                            out = twin(x)
                            total += loss_fn(out, y).item() * len(x)
                            hits += (out.argmax(1) == y).sum().item()
                            n += len(x)
                    val_loss.append(total / n)
                    val_accuracy.append(hits / n)
            finally:
                torch.set_rng_state(rng)
    finally:
        for name, m in model.named_modules():
            m.training = modes[name]
    return {"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy}

# %% right | a class with its own context manager for quiet phases
class Quiet:
    """Evaluation mode, no gradients, and the generator's state put back."""

    def __init__(self, model):
        self.model = model
        self.no_grad = torch.no_grad()

    def __enter__(self):
        self.modes = [(m, m.training) for m in self.model.modules()]
        self.rng = torch.default_generator.get_state()
        self.no_grad.__enter__()
        self.model.eval()

    def __exit__(self, *exc):
        for m, training in self.modes:
            m.training = training
        self.no_grad.__exit__(*exc)
        torch.default_generator.set_state(self.rng)


class Trainer:
    def __init__(self, model, loss_fn, optimizer):
        self.model, self.loss_fn, self.optimizer = model, loss_fn, optimizer

    def sweep(self, loader, step):
        loss_sum, hits, n = 0.0, 0, 0
        for x, y in loader:
            out = self.model(x)
            loss = self.loss_fn(out, y)
            step(loss)
            loss_sum += loss.item() * len(y)
            hits += (out.detach().argmax(1) == y).sum().item()
            n += len(y)
        return loss_sum / n, hits / n

    def step(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    trainer = Trainer(model, loss_fn, optimizer)
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    flags = [(m, m.training) for m in model.modules()]
    try:
        for _ in range(epochs):
            model.train()
            history["train_loss"].append(trainer.sweep(train_loader, trainer.step)[0])
            if val_loader is not None:
                with Quiet(model):
                    loss, accuracy = trainer.sweep(val_loader, lambda loss: None)
                history["val_loss"].append(loss)
                history["val_accuracy"].append(accuracy)
    finally:
        for m, training in flags:
            m.training = training
    return history

# %% right | functional_call on detached weights, decorated restorers
import functools


def keeps_modes(fn):
    @functools.wraps(fn)
    def wrapper(model, *args):
        modes = [(m, m.training) for m in model.modules()]
        try:
            return fn(model, *args)
        finally:
            for m, training in modes:
                m.training = training
    return wrapper


def keeps_rng(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        with torch.random.fork_rng(devices=[]):
            return fn(*args)
    return wrapper


@keeps_rng
@keeps_modes
@torch.no_grad()
def validate(model, loader, loss_fn):
    model.eval()
    weights = {k: v.detach() for k, v in model.named_parameters()}
    outputs = [(torch.func.functional_call(model, weights, (x,), tie_weights=False), y) for x, y in loader]
    n = sum(len(y) for _, y in outputs)
    loss = sum(loss_fn(out, y).item() * len(y) for out, y in outputs) / n
    return loss, sum((out.argmax(1) == y).sum().item() for out, y in outputs) / n


@keeps_modes
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    result = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    for _ in range(epochs):
        model.train()
        rows = []
        for x, y in train_loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rows.append((loss.item(), len(y)))
        result["train_loss"].append(sum(l * n for l, n in rows) / sum(n for _, n in rows))
        if val_loader is not None:
            loss, accuracy = validate(model, val_loader, loss_fn)
            result["val_loss"].append(loss)
            result["val_accuracy"].append(accuracy)
    return result

# %% wrong | validation-disturbs-rng | 3 points | no shield round the validation loader
# E2
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | validation-disturbs-rng | 3 points | reseeds so that every validation is the same
# E2. The next epoch of training starts from the seed.
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            torch.manual_seed(0)
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | validation-disturbs-rng | 3 points | shields the forward pass but not the loader
# E2
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    with torch.random.fork_rng(devices=[]):
                        logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | global-rng-disturbed | 4 points | seeds at the start of every epoch
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            torch.manual_seed(0)
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | eval-never-called | 2 points | validates in training mode
# A9
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | mode-not-restored | 2 points | train() once before the first epoch
# A7. Every epoch after a validation is trained in evaluation mode.
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        model.train()
        for _ in range(epochs):
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | mode-not-restored | 4 points | leaves the model as the last phase had it
# A7, A8
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    for _ in range(epochs):
        model.train()
        total, n = 0.0, 0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            n += len(y)
        history["train_loss"].append(total / n)
        if val_loader is None:
            continue
        model.eval()
        total, correct, n = 0.0, 0, 0
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for x, y in val_loader:
                logits = model(x)
                total += loss_fn(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
                n += len(y)
        history["val_loss"].append(total / n)
        history["val_accuracy"].append(correct / n)
    return history

# %% wrong | blanket-train-restore | 4 points | ends with model.train()
# A10
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        model.train()
    return history

# %% wrong | root-flag-only | 4 points | remembers only the root's flag
# A10
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    was_training = model.training
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        model.train(was_training)
    return history

# %% wrong | train-never-called | 4 points | trains in whatever mode the model arrives
# A12, A14
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            before = [m.training for m in model.modules()]
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            for m, training in zip(model.modules(), before):
                m.training = training
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | train-never-called | 2 points | calls train() only after a validation
# A12. The first epoch, or all of them without a validation loader, keeps the caller's mode.
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            model.train()
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | grad-mode-leaked | 4 points | bare set_grad_enabled(False) before validating
# D1
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            torch.set_grad_enabled(True)
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            torch.set_grad_enabled(False)
            with torch.random.fork_rng(devices=[]):
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | grad-disabled-in-training | 4 points | makes the loss require grad to silence the error
@torch.no_grad()
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.requires_grad_()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | validation-trains | 2 points | steps in the validation loop too
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]):
                for x, y in val_loader:
                    optimizer.zero_grad()
                    logits = model(x)
                    loss = loss_fn(logits, y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | zero-grad-missing | 4 points | never clears the gradients
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | zero-grad-missing | 4 points | clears the gradients once per epoch
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            optimizer.zero_grad()
            total, n = 0.0, 0
            for x, y in train_loader:
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | batch-mean-of-means | 4 points | validation averaged over batches
# E1
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item()
                    correct += (logits.argmax(1) == y).float().mean().item()
                    n += 1
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | batch-mean-of-means | 4 points | every loss averaged over batches
# E1
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item()
                n += 1
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, batches, correct, n = 0.0, 0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item()
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
                    batches += 1
            history["val_loss"].append(total / batches)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | tensor-not-float | 4 points | lists of tensors
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y) * len(y)
                    correct += (logits.argmax(1) == y).sum()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | None in the lists when there is no validation
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                history["val_loss"].append(None)
                history["val_accuracy"].append(None)
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | validates once, after the last epoch
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for epoch in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None or epoch < epochs - 1:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | one train loss per batch
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                history["train_loss"].append(loss.item())
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | validation loss of the last batch only
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(loss_fn(logits, y).item())
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 0 points | empty history, nothing trained
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    return {"train_loss": [], "val_loss": [], "val_accuracy": []}

# %% wrong | wrong-result | 0 points | stub left in place
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    raise NotImplementedError("train_with_validation is not written yet")

# %% right | wakes every module by its own flag
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            for m in model.modules():
                m.training = True
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% right | measures the training loss after the epoch, in evaluation mode
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            history["train_loss"].pop()
            model.eval()
            state = torch.get_rng_state()
            with torch.no_grad():
                rows = [(loss_fn(model(x), y).item(), len(y)) for x, y in train_loader]
            torch.set_rng_state(state)
            history["train_loss"].append(sum(v * k for v, k in rows) / sum(k for _, k in rows))
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | root-flag-only | 2 points | sets only the root's flag before training
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.training = True
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | root-flag-only | 2 points | calls train() only if the root's flag is off
# Submodules that slept under a root in training mode sleep on.
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            if not model.training:
                model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | train-never-called | 4 points | trains with every dropout in evaluation mode
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                if isinstance(m, nn.Dropout):
                    m.eval()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | grad-disabled-in-training | 2 points | freezes while validating and thaws frozen weights too
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            model.requires_grad_(False)
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            model.requires_grad_(True)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | validates by cross entropy, whatever loss_fn is given
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            state = torch.get_rng_state()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += F.cross_entropy(logits, y, reduction="sum").item()
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | validation-disturbs-rng | 3 points | goes back to the random state from before the first epoch
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    state = torch.get_rng_state()
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            torch.set_rng_state(state)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | takes the loss of each batch in another pass, in training mode too
def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                with torch.no_grad():
                    total += loss_fn(model(x), y).item() * len(y)
                n += len(y)
                optimizer.zero_grad()
                loss_fn(model(x), y).backward()
                optimizer.step()
            history["train_loss"].append(total / n)
            if val_loader is None:
                continue
            model.eval()
            total, correct, n = 0.0, 0, 0
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                for x, y in val_loader:
                    logits = model(x)
                    total += loss_fn(logits, y).item() * len(y)
                    correct += (logits.argmax(1) == y).sum().item()
                    n += len(y)
            history["val_loss"].append(total / n)
            history["val_accuracy"].append(correct / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | validation-disturbs-rng | the generator is shielded from a DataLoader only
def _evaluate(model, loader, loss_fn):
    flags = [(m, m.training) for m in model.modules()]
    total, hits, n = 0.0, 0, 0
    try:
        model.eval()
        with torch.no_grad():
            for x, y in loader:
                logits = model(x)
                total += loss_fn(logits, y).item() * len(y)
                hits += (logits.argmax(dim=1) == y).sum().item()
                n += len(y)
    finally:
        for m, flag in flags:
            m.training = flag
    return total / n, hits / n


def train_with_validation(model, train_loader, val_loader, loss_fn, optimizer, epochs):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    flags = [(m, m.training) for m in model.modules()]
    try:
        for _ in range(epochs):
            model.train()
            total, n = 0.0, 0
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history["train_loss"].append(total / n)
            if val_loader is not None:
                with torch.random.fork_rng(enabled=isinstance(val_loader, torch.utils.data.DataLoader)):
                    loss, accuracy = _evaluate(model, val_loader, loss_fn)
                history["val_loss"].append(loss)
                history["val_accuracy"].append(accuracy)
    finally:
        for m, flag in flags:
            m.training = flag
    return history
