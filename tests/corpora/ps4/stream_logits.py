# %% right | switches set and put back for every item
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% right | a helper per batch and a generator expression
@torch.no_grad()
def logits_of(model, x):
    saved = {m: m.training for m in model.modules()}
    try:
        return model.eval()(x)
    finally:
        for m in saved:
            m.training = saved[m]


def stream_logits(model, loader):
    return (logits_of(model, x) for x, _ in loader)

# %% right | a fresh copy for every batch
def stream_logits(model, loader):
    for batch in loader:
        twin = copy.deepcopy(model).eval()
        with torch.inference_mode():
            out = twin(batch[0])
        yield out.clone()

# %% right | decorated generator: PyTorch restores at every yield
@contextlib.contextmanager
def evaluating(model):
    flags = [(m, m.training) for m in model.modules()]
    try:
        yield model.eval()
    finally:
        for m, flag in flags:
            m.training = flag


@torch.no_grad()
def stream_logits(model, loader):
    for x, y in loader:
        with evaluating(model):
            logits = model(x)
        yield logits

# %% right | functional_call on detached weights
def stream_logits(model, loader):
    for x, _ in loader:
        with contextlib.ExitStack() as stack:
            for m in model.modules():
                stack.callback(setattr, m, "training", m.training)
                m.training = False
            stack.enter_context(torch.no_grad())
            weights = {k: p.detach() for k, p in model.named_parameters()}
            result = torch.func.functional_call(model, weights, x, tie_weights=False)
        yield result

# %% right | a class delegates to its generator method
class Stream:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.grad = torch.is_grad_enabled()
        self.modes = [m.training for m in self.model.modules()]
        torch.set_grad_enabled(False)
        self.model.train(False)

    def __exit__(self, *exc):
        torch.set_grad_enabled(self.grad)
        for m, mode in zip(self.model.modules(), self.modes):
            m.training = mode

    def items(self, loader):
        iterator = iter(loader)
        while True:
            try:
                x, _ = next(iterator)
            except StopIteration:
                return
            with self:
                out = self.model(x)
            yield out


def stream_logits(model, loader):
    yield from Stream(model).items(loader)

# %% right | an iterator class without any generator
class stream_logits:
    def __init__(self, model, loader):
        self.model, self.loader, self.batches = model, loader, None

    def __iter__(self):
        return self

    def __next__(self):
        if self.batches is None:
            self.batches = iter(self.loader)
        x, _ = next(self.batches)
        found = {m: m.training for m in self.model.modules()}
        self.model.eval()
        try:
            with torch.inference_mode():
                logits = self.model(x)
        finally:
            for m, flag in found.items():
                m.training = flag
        return logits.clone()

# %% wrong | generator-leaks-grad-mode | 3 points | yields inside no_grad
# D4
def stream_logits(model, loader):
    for x, _ in loader:
        with torch.no_grad():
            modes = [(m, m.training) for m in model.modules()]
            try:
                model.eval()
                logits = model(x)
            finally:
                for m, training in modes:
                    m.training = training
            yield logits

# %% wrong | generator-leaks-grad-mode | 3 points | one no_grad round the whole loop
# D4
def stream_logits(model, loader):
    with torch.no_grad():
        for x, _ in loader:
            modes = [(m, m.training) for m in model.modules()]
            try:
                model.eval()
                logits = model(x)
            finally:
                for m, training in modes:
                    m.training = training
            yield logits

# %% wrong | generator-leaks-grad-mode | 3 points | puts back the grad mode of the first item
# A caller that has changed its grad mode between two items loses it.
def stream_logits(model, loader):
    grad = torch.is_grad_enabled()
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        torch.set_grad_enabled(False)
        try:
            model.eval()
            logits = model(x)
        finally:
            torch.set_grad_enabled(grad)
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | grad-mode-leaked | 2 points | bare set_grad_enabled(False)
# D1
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            torch.set_grad_enabled(False)
            logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | grad-mode-leaked | 2 points | switches gradients on before each yield
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            torch.set_grad_enabled(False)
            logits = model(x)
        finally:
            torch.set_grad_enabled(True)
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | mode-not-restored | 3 points | evaluation mode from the first item to the last
# Between two items the caller trains in evaluation mode.
def stream_logits(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        for x, _ in loader:
            with torch.no_grad():
                logits = model(x)
            yield logits
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | mode-not-restored | 2 points | never goes back
# A8
def stream_logits(model, loader):
    for x, _ in loader:
        model.eval()
        with torch.no_grad():
            logits = model(x)
        yield logits

# %% wrong | mode-not-restored | 3 points | puts back the modes of the first item
# A caller that has switched the model between two items loses it.
def stream_logits(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    for x, _ in loader:
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | mode-not-restored | 3 points | puts the modes back after the yield
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x)
            yield logits
        finally:
            for m, training in modes:
                m.training = training

# %% wrong | blanket-train-restore | 2 points | model.train() after every item
# A10
def stream_logits(model, loader):
    for x, _ in loader:
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x)
        finally:
            model.train()
        yield logits

# %% wrong | root-flag-only | 2 points | remembers only the root's flag
# A10
def stream_logits(model, loader):
    for x, _ in loader:
        was_training = model.training
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x)
        finally:
            model.train(was_training)
        yield logits

# %% wrong | restore-skipped-on-exception | 3 points | restores without finally
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        model.eval()
        with torch.no_grad():
            logits = model(x)
        for m, training in modes:
            m.training = training
        yield logits

# %% wrong | eval-never-called | 2 points | only no_grad
# A5
def stream_logits(model, loader):
    for x, _ in loader:
        with torch.no_grad():
            logits = model(x)
        yield logits

# %% wrong | graph-built | 3 points | eval is taken to stop gradients
# A2
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | graph-built | 3 points | yields detached logits
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            logits = model(x).detach()
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | inference-tensor-escapes | 3 points | inference tensors handed out
# D5
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            with torch.inference_mode():
                logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | wrong-result | 3 points | a list instead of a generator
@torch.no_grad()
def stream_logits(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return [model(x) for x, _ in loader]
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 3 points | probabilities instead of logits
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x).softmax(dim=1)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | wrong-result | 3 points | stops before the last batch
def stream_logits(model, loader):
    for x, _ in list(loader)[:-1]:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            with torch.no_grad():
                logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | wrong-result | 0 points | stub left in place
def stream_logits(model, loader):
    raise NotImplementedError("stream_logits is not written yet")

# %% wrong | inference-tensor-escapes | 3 points | clones while still in inference mode
def stream_logits(model, loader):
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            with torch.inference_mode():
                logits = model(x).clone()
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | grad-disabled-in-training | 3 points | freezes the parameters while it streams
def stream_logits(model, loader):
    model.requires_grad_(False)
    for x, _ in loader:
        modes = [(m, m.training) for m in model.modules()]
        try:
            model.eval()
            logits = model(x)
        finally:
            for m, training in modes:
                m.training = training
        yield logits

# %% wrong | grad-disabled-in-training | 3 points | unfreezes all parameters after every item
def stream_logits(model, loader):
    for x, _ in loader:
        found = [(m, m.training) for m in model.modules()]
        try:
            out = model.eval().requires_grad_(False)(x)
        finally:
            model.requires_grad_(True)
            for m, flag in found:
                m.training = flag
        yield out

# %% right | freezes for every item what was not frozen
def stream_logits(model, loader):
    for x, _ in loader:
        found = [(m, m.training) for m in model.modules()]
        trainable = [p for p in model.parameters() if p.requires_grad]
        try:
            for p in trainable:
                p.requires_grad_(False)
            out = model.eval()(x)
        finally:
            for p in trainable:
                p.requires_grad_(True)
            for m, flag in found:
                m.training = flag
        yield out

# %% wrong | eval-never-called | puts the children in evaluation mode, not the model itself
def stream_logits(model, loader):
    for x, _ in loader:
        flags = {m: m.training for m in model.modules()}
        try:
            for child in model.children():
                child.eval()
            with torch.no_grad():
                logits = model(x).detach()
        finally:
            for m, flag in flags.items():
                m.training = flag
        yield logits
