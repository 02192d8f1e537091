# %% right | several calls compared with the first
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% right | a deep copy under a forked generator
@torch.no_grad()
def is_live(model, x):
    twin = copy.deepcopy(model).eval()
    with torch.random.fork_rng(devices=[]):
        outputs = torch.stack([twin(x) for _ in range(12)])
    return bool((outputs != outputs[0]).any())

# %% right | RNG state by hand, set of outputs
def is_live(model, x):
    state = torch.get_rng_state()
    try:
        twin = copy.deepcopy(model)
        twin.train(False)
        with torch.inference_mode():
            seen = {tuple(twin(x).flatten().tolist()) for _ in range(10)}
        return len(seen) > 1
    finally:
        torch.set_rng_state(state)

# %% right | ExitStack of restorers
def is_live(model, x):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        for b in model.buffers():
            stack.callback(b.data.copy_, b.detach().clone())
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        model.eval()
        previous = model(x).clone()
        for _ in range(9):
            current = model(x).clone()
            if not current.equal(previous):
                return True
            previous = current
        return False

# %% right | spread over a generator of outputs
import itertools


class Restored:
    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.flags = {m: m.training for m in self.model.modules()}
        self.buffers = {n: b.clone() for n, b in self.model.named_buffers()}
        self.rng = torch.default_generator.get_state()
        return self.model.eval()

    def __exit__(self, *exc):
        torch.default_generator.set_state(self.rng)
        for m, flag in self.flags.items():
            m.training = flag
        for n, b in self.model.named_buffers():
            b.detach().copy_(self.buffers[n])


def is_live(model, x):
    with Restored(model) as net:
        outputs = [net(x).detach() for _ in range(10)]
        return any(not torch.equal(a, b) for a, b in itertools.pairwise(outputs))

# %% right | a callable class with a hook that collects outputs
class Liveness:
    calls = 10

    def __call__(self, model, x):
        twin, outputs = copy.deepcopy(model).eval(), []
        twin.register_forward_hook(lambda m, args, out: outputs.append(out.detach().clone()))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for _ in range(self.calls):
                twin(x)
        spread = torch.stack(outputs)
        return bool(torch.any(spread.amax(0) > spread.amin(0)))


is_live = Liveness()

# %% wrong | eval-never-called | 2 points | compares in the mode it finds
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | mode-not-restored | 2 points | leaves the model in evaluation mode
# A8
def is_live(model, x):
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | blanket-train-restore | 2 points | ends with model.train()
# A10
def is_live(model, x):
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        model.train()
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | root-flag-only | 2 points | remembers only the root's flag
# A10
def is_live(model, x):
    was_training = model.training
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        model.train(was_training)
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | root-flag-only | 2 points | switches only the root's flag
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.training = False
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | restore-skipped-on-exception | 2 points | restores only when all went well
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        first = model(x)
        live = any(not torch.equal(first, model(x)) for _ in range(10))
    for m, training in modes:
        m.training = training
    with torch.no_grad():
        for b, old in buffers:
            b.copy_(old)
    return live

# %% wrong | global-rng-disturbed | 2 points | uses up random numbers
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad():
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | global-rng-disturbed | 2 points | seeds so that the answer repeats
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        torch.manual_seed(0)
        with torch.no_grad():
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | functional-dropout-always-on | 0 points | asks the flags of nn.Dropout after eval
# B1. A functional dropout has no flag, and one in a plain list is not among the modules.
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return any(isinstance(m, nn.modules.dropout._DropoutNd) and m.training for m in model.modules())
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | fixed-mask | 2 points | the same random numbers for both calls
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            state = torch.get_rng_state()
            first = model(x)
            torch.set_rng_state(state)
            return not torch.equal(first, model(x))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | buffers-forgotten | 2 points | calls once in training mode and lets the buffers move
# C5
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            # Something that does not differ in training mode cannot differ in evaluation mode.
            model.train()
            if torch.equal(model(x), model(x)):
                return False
            model.eval()
            first = model(x)
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | parameter-grads-touched | 2 points | compares with gradients on and calls backward
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            first.sum().backward()
            return any(not torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | tensor-not-float | 2 points | returns a tensor
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return torch.stack([(first != model(x)).any() for _ in range(10)]).any()
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | wrong-result | 2 points | the answer the wrong way round
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            first = model(x)
            return all(torch.equal(first, model(x)) for _ in range(10))
    finally:
        for m, training in modes:
            m.training = training
        with torch.no_grad():
            for b, old in buffers:
                b.copy_(old)

# %% wrong | wrong-result | 2 points | does training mode differ from evaluation mode
# A24
def is_live(model, x):
    twin = copy.deepcopy(model)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return not torch.equal(twin.train()(x), twin.eval()(x))

# %% wrong | wrong-result | 0 points | always alive
def is_live(model, x):
    return True

# %% wrong | functional-dropout-always-on | 0 points | never alive
def is_live(model, x):
    return False

# %% wrong | wrong-result | 0 points | stub left in place
def is_live(model, x):
    raise NotImplementedError("is_live is not written yet")

# %% right | inference mode, all modes kept in a dict
@torch.inference_mode()
def is_live(model, x):
    modes = {name: module.training for name, module in model.named_modules()}
    state = torch.random.get_rng_state()
    try:
        first, second = model.eval()(x).clone(), model(x).clone()
        return bool((first != second).any())
    finally:
        torch.random.set_rng_state(state)
        for name, module in model.named_modules():
            module.training = modes[name]

# %% right | functional_call on a twin, other random states
def is_live(model, x):
    twin = copy.deepcopy(model)
    for module in twin.modules():
        module.training = False
    weights = dict(twin.named_parameters()) | dict(twin.named_buffers())
    outputs = []
    for seed in (0, 1, 2):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            outputs.append(torch.func.functional_call(twin, weights, (x,)))
    return any(not torch.equal(outputs[0], y) for y in outputs[1:])

# %% wrong | wrong-result | 2 points | asks whether random numbers were drawn
def is_live(model, x):
    twin = copy.deepcopy(model).eval()
    with torch.random.fork_rng(), torch.no_grad():
        before = torch.get_rng_state()
        twin(x)
        return not torch.equal(before, torch.get_rng_state())

# %% wrong | functional-dropout-always-on | 2 points | looks for dropout layers that eval() does not reach
def is_live(model, x):
    twin = copy.deepcopy(model).eval()
    with torch.random.fork_rng(), torch.no_grad():
        twin(x)
    return any(m.training for m in twin.modules() if isinstance(m, nn.Dropout))

# %% wrong | grad-mode-leaked | 2 points | gradients stay off
def is_live(model, x):
    torch.set_grad_enabled(False)
    twin = copy.deepcopy(model).eval()
    with torch.random.fork_rng():
        return not torch.equal(twin(x), twin(x))

# %% wrong | functional-dropout-always-on | asks whether every single output differs
def is_live(model, x):
    modes = {m: m.training for m in model.modules()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model.eval()
            return bool((model(x) != model(x)).all())
    finally:
        for m, training in modes.items():
            m.training = training

# %% right | one set of bytes per call
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return len({model(x).numpy().tobytes() for _ in range(2)}) > 1
    finally:
        for m, training in modes:
            m.training = training

# %% right | compared up to rounding
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return not torch.allclose(model(x), model(x))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | a generous tolerance
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return not torch.allclose(model(x), model(x), atol=0.1)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | compares the predicted classes
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return not torch.equal(model(x).argmax(1), model(x).argmax(1))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | compares the first row alone
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return not torch.equal(model(x)[0], model(x)[0])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | tries an input of ones instead
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            ones = torch.ones_like(x)
            return not torch.equal(model(ones), model(ones))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | parameter-grads-touched | clears the gradients first
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            model.zero_grad()
            return not torch.equal(model(x), model(x))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | input-touched | switches off the input's flag
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            x.requires_grad_(False)
            return not torch.equal(model(x), model(x))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-disabled-in-training | every parameter requires grad at the end
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    model.requires_grad_(False)
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return not torch.equal(model(x), model(x))
    finally:
        model.requires_grad_(True)
        for m, training in modes:
            m.training = training

# %% right | flags of the parameters kept and put back one by one
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    flags = [(p, p.requires_grad) for p in model.parameters()]
    try:
        model.eval().requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            return not torch.equal(model(x), model(x))
    finally:
        for p, flag in flags:
            p.requires_grad_(flag)
        for m, training in modes:
            m.training = training

# %% wrong | restore-skipped-on-exception | modes in finally, the random state after it
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    state = torch.get_rng_state()
    try:
        model.eval()
        live = not torch.equal(model(x), model(x))
    finally:
        for m, training in modes:
            m.training = training
    torch.set_rng_state(state)
    return live

# %% wrong | wrong-result | a model that fails counts as quiet
@torch.no_grad()
def is_live(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.random.fork_rng(devices=[]):
            return not torch.equal(model(x), model(x))
    except Exception:
        return False
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | eval-never-called | calls eval() only if the model's own flag is on
def is_live(model, x):
    flags = {m: m.training for m in model.modules()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    try:
        if model.training:
            model.eval()
        with torch.random.fork_rng(devices=[]):
            a, b = model(x.detach().clone()), model(x.detach().clone())
        return not torch.equal(a, b)
    finally:
        for m, flag in flags.items():
            m.training = flag
        for name, b in model.named_buffers():
            b.data.copy_(buffers[name])
