# %% right | modules without trainable parameters in evaluation mode
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% right | Adam and a recursive walk
def wake(module):
    parameters = list(module.parameters())
    if parameters and all(not p.requires_grad for p in parameters):
        module.eval()
        return
    module.training = True
    for child in module.children():
        wake(child)


def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    saved = {m: m.training for m in model.modules()}
    state = torch.get_rng_state()
    optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=lr)
    means = []
    try:
        torch.manual_seed(seed)
        wake(model)
        for epoch in range(epochs):
            rows = []
            for x, y in loader:
                loss = loss_fn(model(x), y)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                rows.append((loss.item(), len(y)))
            means.append(sum(l * k for l, k in rows) / sum(k for _, k in rows))
    finally:
        torch.set_rng_state(state)
        for m, flag in saved.items():
            m.training = flag
    return means

# %% right | ExitStack, AdamW on named groups
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.enable_grad())
        torch.manual_seed(seed)
        model.train()
        for name, m in model.named_modules():
            flags = {p.requires_grad for p in m.parameters()}
            if flags == {False}:
                m.train(False)
        groups = [{"params": [p]} for _, p in model.named_parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(groups, lr=lr)
        losses = []
        for _ in range(epochs):
            seen, mean = 0, 0.0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                seen += len(y)
                mean += (loss.item() - mean) * len(y) / seen
            losses.append(mean)
        return losses

# %% right | gradients by autograd.grad, updates by hand
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    weights = [p for p in model.parameters() if p.requires_grad]
    modes = [m.training for m in model.modules()]
    history = []
    try:
        for m in model.modules():
            m.training = True
        for m in model.modules():
            if any(True for _ in m.parameters()) and not any(p.requires_grad for p in m.parameters()):
                for inner in m.modules():
                    inner.training = False
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for _ in range(epochs):
                losses = []
                for x, y in loader:
                    loss = loss_fn(model(x), y)
                    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
                    with torch.no_grad():
                        for p, g in zip(weights, gradients):
                            if g is not None:
                                p.sub_(lr * g)
                    losses += [loss.item()] * len(y)
                history.append(sum(losses) / len(losses))
    finally:
        for m, mode in zip(model.modules(), modes):
            m.training = mode
    return history

# %% right | a tuner class with context managers of its own
class FineTuner:
    def __init__(self, model, loss_fn, lr):
        self.model, self.loss_fn = model, loss_fn
        self.optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=lr, momentum=0.9)

    @contextlib.contextmanager
    def seeded(self, seed):
        before = torch.random.get_rng_state()
        try:
            yield torch.manual_seed(seed)
        finally:
            torch.random.set_rng_state(before)

    @contextlib.contextmanager
    def training(self):
        flags = {name: m.training for name, m in self.model.named_modules()}
        try:
            self.model.train()
            for m in self.model.modules():
                if self.is_frozen(m):
                    m.eval()
            yield
        finally:
            for name, m in self.model.named_modules():
                m.training = flags[name]

    @staticmethod
    def is_frozen(module):
        flags = [p.requires_grad for p in module.parameters()]
        return len(flags) > 0 and sum(flags) == 0

    def epoch(self, loader):
        total = torch.zeros((), dtype=torch.float64)
        count = 0
        for x, y in loader:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach().double() * len(y)
            count += len(y)
        return (total / count).item()


def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    tuner = FineTuner(model, loss_fn, lr)
    with tuner.seeded(seed), tuner.training():
        return [tuner.epoch(loader) for _ in range(epochs)]

# %% right | everything in training mode, frozen buffers put back afterwards
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = {m: m.training for m in model.modules()}
    kept = {}
    for m in model.modules():
        parameters = list(m.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            kept |= {b: b.clone() for b in m.buffers()}
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=lr)
    means = []
    for _ in range(epochs):
        model.train()
        losses, sizes = [], []
        for x, y in loader:
            loss = loss_fn(model(x), y)
            model.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            sizes.append(len(y))
        means.append(sum(l * n for l, n in zip(losses, sizes)) / sum(sizes))
    with torch.no_grad():
        for buffer, value in kept.items():
            buffer.copy_(value)
    for m, training in modes.items():
        m.training = training
    torch.set_rng_state(state)
    return means

# %% right | trains a copy and takes over what has learned
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    work = copy.deepcopy(model)
    optimizer = torch.optim.SGD([p for p in work.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            work.train()
            for m in work.modules():
                if any(True for _ in m.parameters()) and not any(p.requires_grad for p in m.parameters()):
                    m.eval()
            total = count = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(work(x), y)
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * len(y)
                count += len(y)
            history.append(total / count)
    model.load_state_dict(work.state_dict())
    return history

# %% wrong | bn-drifts-when-frozen | 4 points | model.train() and no more
# C7
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | bn-drifts-when-frozen | 4 points | only the direct children are looked at
# C7
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.children():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | bn-drifts-when-frozen | 4 points | only the optimizer is told
# C7, C28
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for p in model.parameters():
            if not p.requires_grad:
                p.grad = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | freeze-undone-by-train | 4 points | eval() first, train() in every epoch
# C8
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | root-flag-only | 4 points | only the frozen child's own flag
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.children():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.training = False
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | frozen-weights-move | 3 points | unfreezes everything first
# D11
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    model.requires_grad_(True)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | frozen-weights-move | 4 points | weight decay by hand on every parameter
# D12
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    with torch.no_grad():
                        for p in model.parameters():
                            p.mul_(1 - 0.01 * lr)
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | optimizer-holds-frozen | 4 points | zero gradients and weight decay for all
# D12
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, weight_decay=0.01)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    for p in model.parameters():
                        p.grad = torch.zeros_like(p)
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | optimizer-holds-frozen | 4 points | zero gradients and AdamW for all
# D12
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    for p in model.parameters():
                        p.grad = torch.zeros_like(p)
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | global-rng-disturbed | 4 points | seeds and does not give the state back
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        torch.manual_seed(seed)
        with contextlib.nullcontext():
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | nondeterministic | 4 points | never uses the seed
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | mode-not-restored | 4 points | leaves the model as it trained
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    model.train()
    for m in model.modules():
        parameters = list(m.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            m.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            total, n = 0.0, 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    return history

# %% wrong | blanket-train-restore | 4 points | ends with model.train()
# A10
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        model.train()
    return history

# %% wrong | root-flag-only | 4 points | remembers only the root's flag
# A10
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    was_training = model.training
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        model.train(was_training)
    return history

# %% wrong | grad-disabled-in-training | 2 points | makes the loss require grad to silence the error
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    with torch.no_grad():
                        loss = loss_fn(model(x), y)
                    loss.requires_grad_()
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | batch-mean-of-means | 4 points | divides by the number of batches
# E1
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item()
                    n += 1
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | tensor-not-float | 4 points | a list of tensors
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.detach() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | sums instead of means
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | one loss per batch
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    history.append(loss.item())
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 4 points | only the last epoch's loss
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history[-1]

# %% wrong | wrong-result | 0 points | never takes a step
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    try:
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                total, n = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    total += loss.item() * len(y)
                    n += len(y)
                history.append(total / n)
    finally:
        for m, training in modes:
            m.training = training
    return history

# %% wrong | wrong-result | 0 points | stub left in place
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    raise NotImplementedError("fine_tune is not written yet")

# %% wrong | train-never-called | 4 points | trains in evaluation mode
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.eval()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | train-never-called | 4 points | trains in the modes it finds
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | train-never-called | 4 points | a module that holds something frozen goes to sleep
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not all(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | optimizer-holds-frozen | 4 points | all in the optimizer, gradients cleared after the step
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step(); optimizer.zero_grad()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | zero-grad-missing | 4 points | never clears the gradients
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | wrong-result | 4 points | a seed of its own
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | wrong-result | 4 points | a learning rate of its own
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | wrong-result | 4 points | another loss than the one given
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | wrong-result | 4 points | trains the last child only
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD(list(model.children())[-1].parameters(), lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                ps = list(m.parameters())
                if ps and not any(p.requires_grad for p in ps):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | bn-drifts-when-frozen | 4 points | only BatchNorm with parameters of its own
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            model.train()
            for m in model.modules():
                if isinstance(m, nn.BatchNorm1d) and m.affine and not (m.weight.requires_grad or m.bias.requires_grad):
                    m.eval()
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% right | the loss computed a second time for the log
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                logits = model(x)
                loss_fn(logits, y).backward()
                optimizer.step()
                total += loss_fn(logits, y).item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% right | LBFGS, which computes the loss of a batch several times
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.LBFGS([p for p in model.parameters() if p.requires_grad], lr=lr, max_iter=3)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:

                def closure():
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    return loss

                total += optimizer.step(closure).item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | batch-mean-of-means | 4 points | two losses of each batch, divided by the number of batches
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                logits = model(x)
                loss_fn(logits, y).backward()
                optimizer.step()
                total += loss_fn(logits, y).item()
                n += 1
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | train-never-called | 4 points | in evaluation mode from the second epoch on
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
            model.eval()
    for m, t in modes:
        m.training = t
    return history

# %% wrong | train-never-called | 4 points | in evaluation mode after each batch
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                model.eval()
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | dropout-missing | 4 points | a module without parameters is taken for a frozen one
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if all(not p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | zero-grad-missing | 4 points | gradients left over enter the first step
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | train-never-called | 4 points | a BatchNorm is taken for frozen by its weight alone
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr, momentum=0.9)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if isinstance(m, nn.BatchNorm1d) and m.affine:
                parameters = [m.weight]
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | wrong-result | 4 points | the optimizer holds weights and no biases
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = [(m, m.training) for m in model.modules()]
    optimizer = torch.optim.SGD([p for n, p in model.named_parameters() if p.requires_grad and "bias" not in n], lr=lr)
    history = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.train()
        for m in model.modules():
            parameters = list(m.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                m.eval()
        for _ in range(epochs):
            total = n = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(y)
                n += len(y)
            history.append(total / n)
    for m, t in modes:
        m.training = t
    return history

# %% wrong | grad-mode-leaked | switches recording on for good
def fine_tune(model, loader, loss_fn, epochs, lr, seed):
    modes = {m: m.training for m in model.modules()}
    frozen = [m for m in model.modules()
              if list(m.parameters()) and not any(p.requires_grad for p in m.parameters())]
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(params, lr=lr)
    losses = []
    torch.set_grad_enabled(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                model.train()
                for m in frozen:
                    m.eval()
                total, count = 0.0, 0
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(x), y)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(x)
                    count += len(x)
                losses.append(total / count)
    finally:
        for m, mode in modes.items():
            m.training = mode
    return losses
