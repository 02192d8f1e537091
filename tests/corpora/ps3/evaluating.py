# %% right | generator with try and finally
from contextlib import contextmanager


@contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for m, training in modes:
            m.training = training

# %% right | class with enter and exit
class evaluating:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.modes = {m: m.training for m in self.model.modules()}
        self.model.eval()
        return self.model

    def __exit__(self, kind, value, trace):
        for m, training in self.modes.items():
            m.training = training

# %% right | ExitStack of callbacks
@contextlib.contextmanager
def evaluating(model):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        yield model.eval()

# %% right | class that keeps a stack and can be entered again
class Evaluating(contextlib.ContextDecorator):
    def __init__(self, model):
        self.model, self.saved = model, []

    def __enter__(self):
        self.saved.append([(m, m.training) for m in self.model.modules()])
        for m in self.model.modules():
            m.training = False
        return self.model

    def __exit__(self, *exc):
        for m, training in self.saved.pop():
            m.training = training
        return False


def evaluating(model):
    return Evaluating(model)

# %% right | one small context manager per submodule
@contextlib.contextmanager
def flag(module, value):
    old, module.training = module.training, value
    try:
        yield module
    finally:
        module.training = old


@contextlib.contextmanager
def evaluating(model):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.enter_context(flag(m, False))
        yield model

# %% right | a set of the modules that were training
def evaluating(model):
    @contextlib.contextmanager
    def manager():
        everything = list(model.modules())
        awake = {id(m) for m in everything if m.training}
        try:
            yield model.train(False)
        finally:
            for m in everything:
                m.training = id(m) in awake

    return manager()

# %% right | closing a restorer object
class Restorer:
    def __init__(self, model):
        self.rows = [(m.__dict__, m.training) for m in model.modules()]

    def close(self):
        for attributes, training in self.rows:
            attributes["training"] = training


@contextlib.contextmanager
def evaluating(model: nn.Module):
    with contextlib.closing(Restorer(model)):
        model.eval()
        yield model

# %% wrong | eval-never-called | 0 points | only switches gradients off
# A5
@contextlib.contextmanager
def evaluating(model):
    with torch.no_grad():
        yield model

# %% wrong | grad-mode-leaked | 3 points | a bare set_grad_enabled beside eval
# D1
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    torch.set_grad_enabled(False)
    try:
        yield model
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | mode-not-restored | 2 points | nothing after the yield
# A7
@contextlib.contextmanager
def evaluating(model):
    model.eval()
    yield model

# %% wrong | mode-not-restored | 2 points | saves the modes after switching them
@contextlib.contextmanager
def evaluating(model):
    model.eval()
    modes = [(m, m.training) for m in model.modules()]
    try:
        yield model
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | mode-not-restored | 2 points | one shared record, lost when nested
# The inner block overwrites what the outer one remembered.
saved = {}


@contextlib.contextmanager
def evaluating(model):
    saved[id(model)] = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for m, training in saved[id(model)]:
            m.training = training

# %% wrong | mode-not-restored | 3 points | switches when built, restores when left
class evaluating:
    def __init__(self, model):
        self.model = model
        self.modes = [(m, m.training) for m in model.modules()]
        model.eval()

    def __enter__(self):
        return self.model

    def __exit__(self, *exc):
        for m, training in self.modes:
            m.training = training

# %% wrong | blanket-train-restore | 3 points | always leaves with train()
# A10
@contextlib.contextmanager
def evaluating(model):
    model.eval()
    try:
        yield model
    finally:
        model.train()

# %% wrong | root-flag-only | 3 points | train(flag) on each module wakes its children
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for m, training in reversed(modes):
            m.train(training)

# %% wrong | restore-skipped-on-exception | 3 points | no try and finally
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    yield model
    for m, training in modes:
        m.training = training

# %% wrong | restore-skipped-on-exception | 3 points | restores only when all went well
class evaluating:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.modes = [(m, m.training) for m in self.model.modules()]
        return self.model.eval()

    def __exit__(self, kind, value, trace):
        if kind is None:
            for m, training in self.modes:
                m.training = training

# %% wrong | root-flag-only | 3 points | remembers only the root's flag
# A10
@contextlib.contextmanager
def evaluating(model):
    was_training = model.training
    model.eval()
    try:
        yield model
    finally:
        model.train(was_training)

# %% wrong | root-flag-only | 2 points | switches only the root's flag
@contextlib.contextmanager
def evaluating(model):
    was_training, model.training = model.training, False
    try:
        yield model
    finally:
        model.training = was_training

# %% wrong | wrong-result | 3 points | yields nothing
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 3 points | swallows exceptions
class evaluating:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.modes = [(m, m.training) for m in self.model.modules()]
        return self.model.eval()

    def __exit__(self, *exc):
        for m, training in self.modes:
            m.training = training
        return True

# %% wrong | wrong-result | 0 points | yields a copy in evaluation mode
@contextlib.contextmanager
def evaluating(model):
    yield copy.deepcopy(model).eval()

# %% wrong | wrong-result | 0 points | a plain function that returns the model
def evaluating(model):
    return model.eval()

# %% wrong | wrong-result | 0 points | stub left in place
def evaluating(model):
    raise NotImplementedError("evaluating is not written yet")

# %% right | wakes those that were awake and puts the others to sleep
@contextlib.contextmanager
def evaluating(model):
    awake = [m for m in model.modules() if m.training]
    asleep = [m for m in model.modules() if not m.training]
    model.eval()
    try:
        yield model
    finally:
        for m in awake:
            m.training = True
        for m in asleep:
            m.training = False

# %% right | a bare except that restores and raises again
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield model
    except:
        for m, training in modes:
            m.training = training
        raise
    for m, training in modes:
        m.training = training

# %% wrong | root-flag-only | 3 points | switches only if the root is in training mode
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    if model.training:
        model.eval()
    try:
        yield model
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | mode-not-restored | 3 points | train(), then eval() on each that slept
# eval() goes through all that lies below.
@contextlib.contextmanager
def evaluating(model):
    asleep = [m for m in model.modules() if not m.training]
    model.eval()
    try:
        yield model
    finally:
        model.train()
        for m in asleep:
            m.eval()

# %% wrong | mode-not-restored | 3 points | wakes those that were awake and forgets the others
# The block may have called train().
@contextlib.contextmanager
def evaluating(model):
    awake = [m for m in model.modules() if m.training]
    model.eval()
    try:
        yield model
    finally:
        for m in awake:
            m.training = True

# %% wrong | eval-never-called | an inner block for the same model does nothing
_active = set()


@contextlib.contextmanager
def evaluating(model):
    if model in _active:
        yield model
        return
    flags = [(m, m.training) for m in model.modules()]
    _active.add(model)
    model.eval()
    try:
        yield model
    finally:
        _active.discard(model)
        for m, flag in flags:
            m.training = flag
