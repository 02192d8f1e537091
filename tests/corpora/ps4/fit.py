# %% right | deepcopy of the state dict, fork_rng twice
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% right | RNG state by hand, clones in a dict
def epoch(model, loader, loss_fn, optimizer):
    total, hits, n = 0.0, 0, 0
    for x, y in loader:
        out = model(x)
        loss = loss_fn(out, y)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total += loss.item() * len(y)
        hits += (out.argmax(1) == y).sum().item()
        n += len(y)
    return total / n, hits / n


def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    caller = torch.get_rng_state()
    saved = {m: m.training for m in model.modules()}
    train_loss, val_loss, val_accuracy, states = [], [], [], []
    try:
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            train_loss.append(epoch(model, loaders["train"], loss_fn, optimizer)[0])
            here = torch.get_rng_state()
            model.eval()
            with torch.inference_mode():
                loss, accuracy = epoch(model, loaders["val"], loss_fn, None)
            torch.set_rng_state(here)
            val_loss.append(loss)
            val_accuracy.append(accuracy)
            states.append({k: v.detach().clone() for k, v in model.state_dict().items()})
        best = states[min(range(epochs), key=val_loss.__getitem__)]
        model.load_state_dict(best)
    finally:
        torch.set_rng_state(caller)
        for m, flag in saved.items():
            m.training = flag
    history = {"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy}
    return {"history": history, "best_state": best}

# %% right | validation batches drawn once, a copy of the model kept
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best = None
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.default_generator.manual_seed(seed)
        val = list(loaders["val"])
        torch.default_generator.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            sums = [0.0, 0]
            for x, y in loaders["train"]:
                optimizer.zero_grad(set_to_none=True)
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                sums[0] += loss.item() * len(y)
                sums[1] += len(y)
            history["train_loss"].append(sums[0] / sums[1])
            twin = copy.deepcopy(model).eval()
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                logits = torch.cat([twin(x) for x, _ in val])
                labels = torch.cat([y for _, y in val])
                history["val_loss"].append(loss_fn(logits, labels).item())
                history["val_accuracy"].append((logits.argmax(1) == labels).double().mean().item())
            if best is None or history["val_loss"][-1] < min(history["val_loss"][:-1]):
                best = twin
        model.load_state_dict(best.state_dict())
    return {"history": history, "best_state": best.state_dict()}

# %% right | a trainer class
class Trainer:
    def __init__(self, model, loss_fn, optimizer):
        self.model, self.loss_fn, self.optimizer = model, loss_fn, optimizer
        self.best = (float("inf"), {})

    @contextlib.contextmanager
    def quiet(self):
        rng = torch.get_rng_state()
        flags = [m.training for m in self.model.modules()]
        try:
            yield
        finally:
            torch.set_rng_state(rng)
            for m, flag in zip(self.model.modules(), flags):
                m.training = flag

    def train(self, loader):
        self.model.train()
        weighted = []
        for x, y in loader:
            loss = self.loss_fn(self.model(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            weighted.append((loss.item(), len(y)))
        return sum(l * n for l, n in weighted) / sum(n for _, n in weighted)

    @torch.no_grad()
    def validate(self, loader):
        with self.quiet():
            self.model.eval()
            outs = [(self.model(x), y) for x, y in loader]
        n = sum(len(y) for _, y in outs)
        loss = sum(self.loss_fn(o, y).item() * len(y) for o, y in outs) / n
        return loss, sum((o.argmax(1) == y).sum().item() for o, y in outs) / n

    def remember(self, loss):
        if not self.best[0] <= loss:
            self.best = (loss, {k: v.clone() for k, v in self.model.state_dict().items()})


def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    trainer = Trainer(model, loss_fn, optimizer)
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    with trainer.quiet():
        torch.manual_seed(seed)
        for _ in range(epochs):
            history["train_loss"].append(trainer.train(loaders["train"]))
            loss, accuracy = trainer.validate(loaders["val"])
            history["val_loss"].append(loss)
            history["val_accuracy"].append(accuracy)
            trainer.remember(loss)
        model.load_state_dict(trainer.best[1])
    return {"history": history, "best_state": trainer.best[1]}

# %% right | best state copied into buffers made beforehand
import functools


def restoring(fn):
    @functools.wraps(fn)
    def wrapper(model, *args, **kwargs):
        modes = {name: m.training for name, m in model.named_modules()}
        with torch.random.fork_rng(devices=[]):
            try:
                return fn(model, *args, **kwargs)
            finally:
                for name, m in model.named_modules():
                    m.training = modes[name]

    return wrapper


@restoring
@torch.no_grad()
def validate(model, loader, loss_fn):
    model.eval()
    total = hits = n = 0
    for x, y in loader:
        out = model(x)
        total += loss_fn(out, y).item() * len(y)
        hits += int((out.argmax(1) == y).sum())
        n += len(y)
    return total / n, hits / n


@restoring
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    torch.manual_seed(seed)
    best_state = {k: torch.empty_like(v) for k, v in model.state_dict().items()}
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    for _ in range(epochs):
        model.train()
        total = n = 0
        for x, y in loaders["train"]:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            n += len(y)
        history["train_loss"].append(total / n)
        loss, accuracy = validate(model, loaders["val"], loss_fn)
        if not history["val_loss"] or loss < min(history["val_loss"]):
            for k, v in model.state_dict().items():
                best_state[k].copy_(v)
        history["val_loss"].append(loss)
        history["val_accuracy"].append(accuracy)
    model.load_state_dict(best_state)
    return {"history": history, "best_state": best_state}

# %% wrong | best-state-aliased | 4 points | keeps the state dict itself
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = model.state_dict()
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | best-state-aliased | 4 points | copies the dict but not the tensors
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = dict(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | best-state-aliased | 5 points | returns the model's own state dict
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": model.state_dict()}

# %% wrong | buffers-forgotten | 4 points | remembers only the parameters
# C24
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = {k: p.detach().clone() for k, p in model.named_parameters()}
        model.load_state_dict(best_state, strict=False)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | global-rng-disturbed | 5 points | seeds and does not give the state back
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        torch.manual_seed(seed)
        with contextlib.nullcontext():
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | nondeterministic | 5 points | never uses the seed
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | nondeterministic | 5 points | seeds a generator that nobody draws from
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            generator = torch.Generator()
            generator.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | validation-disturbs-rng | 5 points | no shield round the validation loader
# E2
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad():
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | eval-never-called | 5 points | validates in training mode
# A9
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | mode-not-restored | 5 points | train() only before the first epoch
# A7
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model.train()
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | mode-not-restored | 5 points | ends in evaluation mode
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        model.eval()
    return {"history": history, "best_state": best_state}

# %% wrong | blanket-train-restore | 5 points | ends with model.train()
# A10
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        model.train()
    return {"history": history, "best_state": best_state}

# %% wrong | root-flag-only | 5 points | remembers only the root's flag
# A10
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    was_training = model.training
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        model.train(was_training)
    return {"history": history, "best_state": best_state}

# %% wrong | train-never-called | 5 points | trains in whatever mode the model arrives
# A12
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                before = [m.training for m in model.modules()]
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                for m, training in zip(model.modules(), before):
                    m.training = training
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | grad-mode-leaked | 5 points | bare set_grad_enabled for each phase
# D1
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                torch.set_grad_enabled(True)
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                torch.set_grad_enabled(False)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | validation-trains | 3 points | steps in the validation loop too
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
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
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | zero-grad-missing | 5 points | never clears the gradients
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | batch-mean-of-means | 5 points | validation averaged over batches
# E1
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item()
                        correct += (logits.argmax(1) == y).double().mean().item()
                        n += 1
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | tensor-not-float | 5 points | history of tensors
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.detach() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y) * len(y)
                        correct += (logits.argmax(1) == y).sum()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 4 points | the last of equals wins
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n <= best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 5 points | ends with the last weights
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 4 points | best by accuracy
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = -1.0, None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if correct / n > best_loss:
                    best_loss = correct / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 4 points | best by training loss
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if history["train_loss"][-1] < best_loss:
                    best_loss = history["train_loss"][-1]
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 4 points | takes the weights of the epoch before
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                before = copy.deepcopy(model.state_dict())
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = before
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 0 points | stub left in place
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    raise NotImplementedError("fit is not written yet")

# %% wrong | wrong-result | 5 points | a seed of its own instead of the caller's
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(42)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 4 points | the highest validation loss wins
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("-inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n > best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | 4 points | only losses below one count
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = 1.0, copy.deepcopy(model.state_dict())
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | nondeterministic | 5 points | seeds after the validation batches are drawn
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best = None
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        val = list(loaders["val"])
        torch.default_generator.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            sums = [0.0, 0]
            for x, y in loaders["train"]:
                optimizer.zero_grad(set_to_none=True)
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                sums[0] += loss.item() * len(y)
                sums[1] += len(y)
            history["train_loss"].append(sums[0] / sums[1])
            twin = copy.deepcopy(model).eval()
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                logits = torch.cat([twin(x) for x, _ in val])
                labels = torch.cat([y for _, y in val])
                history["val_loss"].append(loss_fn(logits, labels).item())
                history["val_accuracy"].append((logits.argmax(1) == labels).double().mean().item())
            if best is None or history["val_loss"][-1] < min(history["val_loss"][:-1]):
                best = twin
        model.load_state_dict(best.state_dict())
    return {"history": history, "best_state": best.state_dict()}

# %% wrong | zero-grad-missing | clears the gradients after each step only
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% right | clears the gradients before the run and after each step
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            optimizer.zero_grad()
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | only an improvement by a thousandth counts
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss - 1e-3:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | compares validation losses rounded to two places
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if round(total / n, 2) < best_loss:
                    best_loss = round(total / n, 2)
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | starts from a best loss of a billion
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = 1e9, copy.deepcopy(model.state_dict())
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | stops at the first epoch that is no better
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
                else:
                    break
        model.load_state_dict(best_state)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | the best weights become new parameters
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(copy.deepcopy(best_state), assign=True)
    finally:
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | global-rng-disturbed | seeds the caller's generator anew instead of giving its state back
def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    modes = [(m, m.training) for m in model.modules()]
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = float("inf"), None
    try:
        first = torch.initial_seed()
        if True:
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loaders["train"]:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history["train_loss"].append(total / n)
                model.eval()
                total, correct, n = 0.0, 0, 0
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    for x, y in loaders["val"]:
                        logits = model(x)
                        total += loss_fn(logits, y).item() * len(y)
                        correct += (logits.argmax(1) == y).sum().item()
                        n += len(y)
                history["val_loss"].append(total / n)
                history["val_accuracy"].append(correct / n)
                if total / n < best_loss:
                    best_loss = total / n
                    best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    finally:
        torch.manual_seed(first)
        for m, training in modes:
            m.training = training
    return {"history": history, "best_state": best_state}

# %% wrong | wrong-result | keeps an epoch that is better than the one before
@contextlib.contextmanager
def _modes_kept(model):
    flags = [(m, m.training) for m in model.modules()]
    try:
        yield
    finally:
        for m, flag in flags:
            m.training = flag

def _run(model, loader, loss_fn, optimizer=None):
    training = optimizer is not None
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
    return loss_sum / n, correct / n

def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = None, None
    with torch.random.fork_rng(), _modes_kept(model):
        torch.manual_seed(seed)
        for _ in range(epochs):
            train_loss, _ignored = _run(model, loaders["train"], loss_fn, optimizer)
            with torch.random.fork_rng():
                val_loss, val_accuracy = _run(model, loaders["val"], loss_fn)
            history["train_loss"].append(train_loss)
            history["val_loss"].append(val_loss)
            history["val_accuracy"].append(val_accuracy)
            if best_loss is None or val_loss < best_loss:
                best_state = copy.deepcopy(model.state_dict())
            best_loss = val_loss
        model.load_state_dict(best_state)
    return {"history": history, "best_state": best_state}

# %% wrong | eval-never-called | measured with the children in evaluation mode, the model itself in training mode
@contextlib.contextmanager
def _modes_kept(model):
    flags = [(m, m.training) for m in model.modules()]
    try:
        yield
    finally:
        for m, flag in flags:
            m.training = flag

def _run(model, loader, loss_fn, optimizer=None):
    training = optimizer is not None
    model.train()
    if not training:
        for child in model.children():
            child.eval()
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
    return loss_sum / n, correct / n

def fit(model, loaders, loss_fn, optimizer, epochs, seed):
    history = {"train_loss": [], "val_loss": [], "val_accuracy": []}
    best_loss, best_state = None, None
    with torch.random.fork_rng(), _modes_kept(model):
        torch.manual_seed(seed)
        for _ in range(epochs):
            train_loss, _ignored = _run(model, loaders["train"], loss_fn, optimizer)
            with torch.random.fork_rng():
                val_loss, val_accuracy = _run(model, loaders["val"], loss_fn)
            history["train_loss"].append(train_loss)
            history["val_loss"].append(val_loss)
            history["val_accuracy"].append(val_accuracy)
            if best_loss is None or val_loss < best_loss:
                best_loss = val_loss
                best_state = copy.deepcopy(model.state_dict())
        model.load_state_dict(best_state)
    return {"history": history, "best_state": best_state}
