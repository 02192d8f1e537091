# %% right | rand inside forward
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% right | bernoulli_ on an empty tensor
class Dropout(nn.Module):
    def __init__(self, p: float = 0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p

    def forward(self, input):
        if self.training:
            noise = torch.empty_like(input, requires_grad=False).bernoulli_(1 - self.p)
            if self.p < 1:
                noise /= 1 - self.p
            return input * noise
        return input

    def extra_repr(self):
        return f"p={self.p}"

# %% right | a function that gets self.training
def drop(x, p, training):
    if not training or p == 0:
        return x
    dropped = torch.bernoulli(torch.full_like(x, p, requires_grad=False)).bool()
    return torch.where(dropped, 0, x / (1 - p) if p < 1 else x)


class Dropout(nn.Module):
    def __init__(self, p=0.5):
        nn.Module.__init__(self)
        if not 0.0 <= p <= 1.0:
            raise ValueError(p)
        self.p = p

    def forward(self, x):
        return drop(x, p=self.p, training=self.training)

# %% right | torch.distributions
from torch.distributions import Bernoulli


class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("p outside [0, 1]")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        mask = Bernoulli(probs=1.0 - self.p).sample(x.shape).to(x.dtype)
        return mask * x / max(1.0 - self.p, torch.finfo(x.dtype).tiny)

# %% right | an autograd Function
class Mask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p):
        ctx.factor = torch.zeros_like(x)
        if p < 1:
            ctx.factor.masked_fill_(torch.rand(x.shape) >= p, 1 / (1 - p))
        return x * ctx.factor

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("p")
        self.p = p

    def forward(self, x):
        return Mask.apply(x, self.p) if self.training else x

# %% right | train() overridden properly
class Dropout(nn.Module):
    """Keeps its factor ready; train() is what every mode switch goes through."""

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("p must be a probability")
        self.p = p

    def train(self, mode=True):
        return super().train(mode)

    def forward(self, x):
        return [self._identity, self._masked][self.training](x)

    def _identity(self, x):
        return x + 0

    def _masked(self, x):
        uniform = torch.rand_like(x, requires_grad=False)
        scale = 1 / (1 - self.p) if self.p < 1 else 0.0
        return (x * scale).masked_fill(uniform < self.p, 0.0)

# %% wrong | dropout-in-eval | 2 points | never asks for the mode
# B1
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | own-training-flag | 2 points | a flag of its own that nobody toggles
# A17
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p
        self.is_training = True

    def forward(self, x):
        if not self.is_training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | own-training-flag | 2 points | the mode is an argument of forward
# A17
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x, training=True):
        if not training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | own-training-flag | 2 points | the mode is copied when built
# A17
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p
        self.drop = self.training

    def forward(self, x):
        if not self.drop or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | train-override-broken | 2 points | train() and eval() toggle a flag, but parents call only train(mode)
# A25
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p
        self.active = True

    def train(self, mode=True):
        self.active = True
        return self

    def eval(self):
        self.active = False
        return self

    def forward(self, x):
        if not self.active or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | train-override-broken | 2 points | train() takes no mode
# A25
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def train(self):
        self.training = True
        return self

    def eval(self):
        self.training = False
        return self

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | grad-mode-as-mode-flag | 2 points | drops while gradients are on
# D8
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not torch.is_grad_enabled() or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | fixed-mask | 2 points | the mask of the first call stays
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p
        self.keep = None

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        if self.keep is None or self.keep.shape != x.shape:
            self.keep = torch.rand(x.shape) >= self.p
        return x * self.keep / (1 - self.p)

# %% wrong | fixed-mask | 2 points | the same private seed on every call
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | shared-mask | 2 points | one mask for the whole batch
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape[1:]) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | no-rescale | 2 points | survivors keep their size
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep

# %% wrong | wrong-rescale | 2 points | multiplies by 1 - p
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep * (1 - self.p)

# %% wrong | rescale-at-eval | 1 point | scales in evaluation instead of training
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x * (1 - self.p)
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep

# %% wrong | keep-drop-swapped | 2 points | keeps with probability p
# B4
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) < self.p
        return x * keep / (1 - self.p)

# %% wrong | dropout-missing | 0 points | identity in both modes
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("p outside [0, 1]")
        self.p = p

    def forward(self, x):
        return x

# %% wrong | p-edge-cases | 2 points | NaN for p=1
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | library-layer-used | 0 points | wraps nn.Dropout
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.layer = nn.Dropout(p)

    def forward(self, x):
        return self.layer(x)

# %% wrong | library-layer-used | 0 points | F.dropout with the mode
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("p outside [0, 1]")
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p, self.training)

# %% wrong | library-layer-used | 0 points | inherits from nn.Dropout
class Dropout(nn.Dropout):
    def __init__(self, p=0.5):
        super().__init__(p)

# %% wrong | wrong-result | 1 point | p of the class instead of the object
# B9
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= 0.5
        return x * keep / 0.5

# %% wrong | grad-disabled-in-training | 2 points | masks the data behind autograd's back
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x.data * keep / (1 - self.p)

# %% wrong | wrong-result | 0 points | a plain class without nn.Module
class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def __call__(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        return x * (torch.rand(x.shape) >= self.p) / (1 - self.p)

    def train(self, mode=True):
        self.training = mode
        return self

    def eval(self):
        return self.train(False)

# %% wrong | wrong-result | 0 points | stub left in place
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        raise NotImplementedError("Dropout is not written yet")

# %% right | a factory of hooked identities
def Dropout(p=0.5):
    def drop(module, args, output):
        if not module.training or p == 0:
            return output
        if p == 1:
            return torch.zeros_like(output)
        return torch.where(torch.rand_like(output) < p, 0.0, output / (1 - p))

    layer = nn.Identity()
    layer.register_forward_hook(drop)
    return layer

# %% right | inherits from nn.Dropout, but makes its own mask
class Dropout(nn.Dropout):
    def forward(self, x):
        if self.training and self.p > 0:
            keep = torch.rand_like(x) >= self.p
            x = (x / (1 - self.p)).where(keep, 0.0) if self.p < 1 else torch.zeros_like(x)
        return x

# %% right | the mask is kept for inspection
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
        self.register_buffer("mask", None, persistent=False)

    def forward(self, x):
        self.mask = None
        if not self.training:
            return x
        self.mask = (torch.rand_like(x) >= self.p).to(x.dtype)
        return x * self.mask / (1 - self.p) if self.p < 1 else torch.zeros_like(x)

# %% wrong | train-override-broken | 2 points | train() forgets to return the layer
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def train(self, mode=True):
        super().train(mode)

    def forward(self, x):
        if not self.training:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        return x * (torch.rand_like(x) >= self.p) / (1 - self.p)

# %% wrong | input-touched | 2 points | drops in the caller's tensor
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        x[torch.rand_like(x) < self.p] = 0
        return x / (1 - self.p) if self.p < 1 else x

# %% wrong | global-rng-disturbed | 2 points | draws in evaluation too
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        keep = torch.rand_like(x) >= self.p
        if not self.training:
            return x
        return (x / (1 - self.p)).where(keep, 0.0) if self.p < 1 else torch.zeros_like(x)

# %% wrong | grad-mode-as-mode-flag | 2 points | drops in training, if gradients are recorded
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not (self.training and torch.is_grad_enabled()):
            return x
        keep = torch.rand_like(x) >= self.p
        return (x / (1 - self.p)).where(keep, 0.0) if self.p < 1 else torch.zeros_like(x)

# %% wrong | wrong-result | never calls super().__init__()
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        return torch.where(torch.rand_like(x) < self.p, 0.0, x / (1 - self.p) if self.p < 1 else x)

# %% wrong | input-touched | multiplies the input in place where nothing is recorded
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        with torch.no_grad():
            x.mul_((torch.rand(x.shape) >= self.p) / (1 - self.p))
        return x

# %% wrong | global-rng-disturbed | 2 points | seeds the global generator when it is made
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p}")
        self.p = p
        torch.manual_seed(0)

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        keep = torch.rand(x.shape) >= self.p
        return x * keep / (1 - self.p)

# %% wrong | dropout-in-eval | p = 1 gives zeros before the mode is asked
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if self.p == 1:
            return torch.zeros_like(x)
        if not self.training:
            return x
        return x * (torch.rand(x.shape) >= self.p) / (1 - self.p)
