# %% right | train() replaced on every submodule
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% right | a subclass made on the spot
def asleep(cls):
    def train(self, mode=True):
        return cls.train(self, False)

    return type("Frozen" + cls.__name__, (cls,), {"train": train})


def freeze(module):
    module.requires_grad_(False)
    module.zero_grad(set_to_none=True)
    module.eval()
    module.__class__ = asleep(type(module))
    return module

# %% right | one override at the root of the frozen part
import types


def freeze(module: nn.Module) -> nn.Module:
    def train(self, mode: bool = True):
        return type(self).train(self, False)

    module.train = types.MethodType(train, module)
    module.eval()
    for p in module.requires_grad_(False).parameters():
        p.grad = None
    return module

# %% right | training as a property that is always False
def always_false(cls):
    def ignore(self, value):
        pass

    return type(cls.__name__, (cls,), {"training": property(lambda self: False, ignore)})


def freeze(module):
    for m in module.modules():
        m.__dict__.pop("training", None)
        m.__class__ = always_false(type(m))
        for p in m.parameters(recurse=False):
            p.requires_grad = False
            p.grad = None
    return module

# %% right | a partial that forgets the mode it is given
import functools


def stay_asleep(module, mode=True):
    nn.Module.train(module, False)
    return module


def freeze(module):
    stay_asleep(module)
    for m in module.modules():
        m.train = functools.partial(stay_asleep, m)
    for p in module.parameters():
        p.detach_()
        p.requires_grad_(False)
        p.grad = None
    return module

# %% right | a mixin put in front of the class
class Sleeper:
    def train(self, mode=True):
        return super().train(False)


def freeze(module):
    def put_to_sleep(m):
        m.__class__ = type(f"Frozen{type(m).__name__}", (Sleeper, type(m)), {})
        m.training = False

    module.apply(put_to_sleep)
    with torch.no_grad():
        for p in module.parameters():
            p.requires_grad_(False).grad = None
    return module

# %% right | hooks that put every submodule to sleep before it works
def freeze(module):
    module.requires_grad_(False)
    module.zero_grad(set_to_none=True)
    for m in module.modules():
        m.register_forward_pre_hook(lambda m, args: m.eval() and None)
    return module.eval()

# %% right | a closure in the place of train()
def freeze(module):
    module.eval().requires_grad_(False)
    for p in module.parameters():
        p.grad = None
    module.train = lambda mode=True: module
    return module

# %% wrong | requires-grad-typo | 3 points | sets require_grad
# D9
import types


def freeze(module):
    for p in module.parameters():
        p.require_grad = False
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | requires-grad-typo | 3 points | sets an attribute of the module
# D10
import types


def freeze(module):
    module.requires_grad = False
    for p in module.parameters():
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | bn-drifts-when-frozen | 3 points | no gradients, but the mode stays as it is
# C7
def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None
    return module

# %% wrong | bn-drifts-when-frozen | 3 points | locks the mode without switching it
# C7
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        return self

    # From now on train() does nothing, but nobody has called eval().
    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module

# %% wrong | freeze-undone-by-train | 3 points | eval() until the next train()
# C8
def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None
    return module.eval()

# %% wrong | freeze-undone-by-train | 3 points | a pre-hook puts it to sleep at every call
# C8
def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None
    # The flags are wrong between train() and the next forward pass.
    module.register_forward_pre_hook(lambda m, args: m.eval() and None)
    return module.eval()

# %% wrong | freeze-undone-by-train | 3 points | only BatchNorm stays asleep
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        if not isinstance(m, nn.modules.batchnorm._BatchNorm):
            continue
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | root-flag-only | 3 points | only the flag of the module itself
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        nn.Module.train(self, mode)
        self.training = False
        return self

    module.train = types.MethodType(train, module)
    module.eval()
    return module

# %% wrong | train-override-broken | 3 points | train() returns nothing
# A25
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False

    for m in module.modules():
        m.train = types.MethodType(train, m)
    module.train(False)
    return module

# %% wrong | train-override-broken | 3 points | train() takes no mode
# A25
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    module.train()
    return module

# %% wrong | train-override-broken | 3 points | train() is eval(), which calls train()
# A25
def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None
    module.eval()
    module.train = lambda mode=True: module.eval()
    return module

# %% wrong | frozen-weights-move | 3 points | the stale gradients stay
# D12
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | frozen-weights-move | 3 points | stale gradients become zeros
# D12
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = torch.zeros_like(p)

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | frozen-weights-move | 2 points | only the module's own parameters
import types


def freeze(module):
    for p in module.parameters(recurse=False):
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | frozen-weights-move | 3 points | weights but not biases
import types


def freeze(module):
    for name, p in module.named_parameters():
        if name.endswith("weight"):
            p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | wrong-result | 0 points | freezes a copy
import types


def freeze(module):
    module = copy.deepcopy(module)
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | wrong-result | 2 points | wraps the module and renames its keys
class Frozen(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module.eval()
        self.training = False

    def train(self, mode=True):
        return self

    def forward(self, *args):
        return self.module(*args)


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None
    return Frozen(module)

# %% wrong | wrong-result | 3 points | returns nothing
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    module.eval()

# %% wrong | parameters-changed | 3 points | loses the weights with the gradients
import types


def freeze(module):
    for p in module.parameters():
        p.requires_grad_(False)
        p.grad = None
        p.data = torch.zeros_like(p)

    def train(self, mode=True):
        for m in self.modules():
            m.training = False
        return self

    for m in module.modules():
        m.train = types.MethodType(train, m)
    return module.eval()

# %% wrong | wrong-result | 0 points | stub left in place
def freeze(module):
    raise NotImplementedError("freeze is not written yet")

# %% wrong | graph-built | 3 points | believes that eval() is enough
# A1
def freeze(module):
    module.zero_grad(set_to_none=True)
    module.eval()
    module.train = lambda mode=True: module
    return module

# %% wrong | bn-drifts-when-frozen | 2 points | momentum 0 instead of evaluation mode
def freeze(module):
    module.requires_grad_(False)
    module.zero_grad(set_to_none=True)
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.momentum = 0.0
    return module

# %% wrong | bn-drifts-when-frozen | 2 points | stops tracking instead of switching the mode
# C28
def freeze(module):
    module.requires_grad_(False)
    module.zero_grad(set_to_none=True)
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.track_running_stats = False
    return module

# %% wrong | frozen-weights-move | freezes what is called weight or bias
import types


def freeze(module):
    module.eval()
    for m in module.modules():
        for name in ("weight", "bias"):
            p = m._parameters.get(name)
            if p is not None:
                p.requires_grad_(False)
                p.grad = None
        m.train = types.MethodType(lambda self, mode=True: self, m)
    return module
