# %% right | uniform numbers compared with p
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% right | bernoulli_ in place on an empty tensor
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError("dropout probability has to be between 0 and 1")
    if not training:
        return x
    keep = 1.0 - p
    noise = torch.empty_like(x, requires_grad=False).bernoulli_(keep, generator=generator)
    return x * (noise.div_(keep) if keep > 0 else noise)

# %% right | torch.where with a zero
def inverted_dropout(x: torch.Tensor, p: float = 0.5, training: bool = True, generator: torch.Generator | None = None):
    if not (p >= 0 and p <= 1):
        raise ValueError(p)
    if training and p > 0:
        dropped = torch.rand(x.size(), generator=generator, dtype=torch.float64) < p
        return torch.where(dropped, torch.zeros((), dtype=x.dtype), x / max(1 - p, 1e-12))
    return x.clone()

# %% right | bernoulli of a full tensor, masked_fill
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if p != min(max(p, 0.0), 1.0):
        raise ValueError(f"0 <= p <= 1 expected, got {p}")
    if not training:
        return x
    dropped = torch.bernoulli(torch.full(x.shape, float(p)), generator=generator).bool()
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return (x * scale).masked_fill(dropped, 0)

# %% right | an autograd Function with its own backward
class Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factors):
        ctx.save_for_backward(factors)
        return x * factors

    @staticmethod
    def backward(ctx, grad):
        (factors,) = ctx.saved_tensors
        return grad * factors, None


def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0.0 <= p <= 1.0:
        raise ValueError("p outside [0, 1]")
    if not training or p == 0.0:
        return x
    factors = torch.zeros_like(x, requires_grad=False)
    if p < 1.0:
        factors[torch.rand(x.shape, generator=generator) >= p] = 1 / (1 - p)
    return Drop.apply(x, factors)

# %% right | exponential waiting times
import math


def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p={p}")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    waiting = torch.empty(x.shape).exponential_(generator=generator)
    survives = waiting > -math.log1p(-p)
    return x.div(1 - p) * survives

# %% right | a callable object
class InvertedDropout:
    def mask(self, x, p, generator):
        uniform = torch.empty(x.shape, dtype=torch.float32).uniform_(0, 1, generator=generator)
        return (uniform.sub(p).ceil().clamp(0, 1) if p < 1 else torch.zeros(x.shape)).to(x.dtype)

    def __call__(self, x, p=0.5, training=True, generator=None):
        if not 0.0 <= p <= 1.0:
            raise ValueError("p")
        if not training or not p:
            return x
        return self.mask(x, p, generator) * x / (1 - p if p < 1 else 1)


inverted_dropout = InvertedDropout()

# %% wrong | keep-drop-swapped | 3 points | keeps with probability p
# B4
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) < p
    return x * keep / (1 - p)

# %% wrong | keep-drop-swapped | 2 points | p read as the keep probability throughout
# B4
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) < p
    return x * keep / p

# %% wrong | no-rescale | 3 points | survivors keep their size
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep

# %% wrong | wrong-rescale | 3 points | multiplies by 1 - p
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep * (1 - p)

# %% wrong | wrong-rescale | 3 points | divides by p
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / p

# %% wrong | wrong-rescale | 3 points | divides by the share that happened to survive
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / keep.float().mean().clamp(min=1e-6).to(x.dtype)

# %% wrong | rescale-at-eval | 2 points | scales in evaluation instead of training
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training:
        return x * (1 - p)
    if p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator) >= p
    return x * keep

# %% wrong | rescale-at-eval | 3 points | scales in training and again in evaluation
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training:
        return x * (1 - p)
    if p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | dropout-in-eval | 2 points | ignores training
# B1
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | dropout-missing | 0 points | never drops
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if training and p == 1:
        return torch.zeros_like(x)
    return x

# %% wrong | shared-mask | 3 points | one mask for all rows
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape[-1:], generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | shared-mask | 3 points | one coin for the whole tensor
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand((), generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | shared-mask | 3 points | drops whole rows
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape[:1] + (1,) * (x.dim() - 1), generator=generator) >= p
    return x * keep / (1 - p)

# %% wrong | fixed-mask | 3 points | seeds a generator of its own on every call
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | fixed-mask | 2 points | keeps the first mask of each shape
masks = {}


def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    key = (tuple(x.shape), p)
    if key not in masks:
        masks[key] = torch.rand(x.shape, generator=generator) >= p
    return x * masks[key] / (1 - p)

# %% wrong | p-edge-cases | 3 points | divides by zero for p=1
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | p-edge-cases | 3 points | accepts any p
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | p-edge-cases | 3 points | rejects p=1
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p < 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | p-edge-cases | 3 points | asserts instead of raising ValueError
def inverted_dropout(x, p=0.5, training=True, generator=None):
    assert 0 <= p <= 1
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | generator-ignored | 3 points | draws from the global generator
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | global-rng-disturbed | 3 points | draws before it looks at training
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    uniform = torch.rand(x.shape, generator=generator)
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = uniform >= p
    return x * keep / (1 - p)

# %% wrong | input-touched | 3 points | multiplies the caller's tensor in place
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x.mul_(keep).div_(1 - p)

# %% wrong | grad-disabled-in-training | 3 points | under no_grad
@torch.no_grad()
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x * keep / (1 - p)

# %% wrong | grad-disabled-in-training | 3 points | works on detached values
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    keep = torch.rand(x.shape, generator=generator, device=x.device) >= p
    return x.detach() * keep / (1 - p)

# %% wrong | wrong-result | 3 points | drops exactly p of the elements
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    order = torch.randperm(x.numel(), generator=generator).view(x.shape)
    keep = order >= round(p * x.numel())
    return x * keep / (1 - p)

# %% wrong | wrong-result | 2 points | Gaussian noise instead of a mask
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    noise = torch.randn(x.shape, generator=generator).to(x.dtype)
    return x * (1 + noise * (p / (1 - p)) ** 0.5)

# %% wrong | wrong-result | 0 points | always zeros
def inverted_dropout(x, p=0.5, training=True, generator=None):
    return torch.zeros_like(x)

# %% wrong | wrong-result | 0 points | stub left in place
def inverted_dropout(x, p=0.5, training=True, generator=None):
    raise NotImplementedError("inverted_dropout is not written yet")

# %% right | the global state exchanged for the generator's, then F.dropout
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if generator is None or not training:
        return F.dropout(x, p, training)
    kept = torch.get_rng_state()
    try:
        torch.set_rng_state(generator.get_state())
        y = F.dropout(x, p, True)
        generator.set_state(torch.get_rng_state())
    finally:
        torch.set_rng_state(kept)
    return y

# %% right | the survivors' places by index
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if p < 0 or p > 1:
        raise ValueError("p is a probability")
    if training and p > 0:
        kept = (torch.rand(x.numel(), generator=generator) > p).nonzero().squeeze(1)
        flat = torch.zeros(x.numel(), dtype=x.dtype)
        values = x.reshape(-1)[kept] / (1 - p) if p < 1 else x.reshape(-1)[:0]
        x = flat.index_put((kept[: len(values)],), values).view_as(x)
    return x

# %% wrong | fixed-mask | 3 points | starts the generator again on every call
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    if generator is not None:
        generator.manual_seed(generator.initial_seed())
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)

# %% wrong | global-rng-disturbed | 3 points | reseeds the global generator
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    if generator is None:
        torch.manual_seed(0)
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)

# %% wrong | shared-mask | 3 points | the second half of the batch gets the first half's mask, turned round
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    u = torch.rand(x.shape, generator=generator)
    half = len(u) // 2
    u[half : 2 * half] = 1 - u[:half]
    return x * (u >= p) / (1 - p)

# %% wrong | grad-mode-as-mode-flag | 3 points | drops only where gradients are recorded
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training or p == 0 or not torch.is_grad_enabled():
        return x
    if p == 1:
        return torch.zeros_like(x)
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)

# %% wrong | restore-skipped-on-exception | the global state is not given back when p is refused
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if generator is None or not training:
        return F.dropout(x, p, training)
    state = torch.get_rng_state()
    torch.set_rng_state(generator.get_state())
    out = F.dropout(x, p, training)
    generator.set_state(torch.get_rng_state())
    torch.set_rng_state(state)
    return out

# %% right | the check of p before everything else, p = 0 as any other
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if p < 0 or p > 1:
        raise ValueError(f"p is {p}, which is no probability")
    if training is False:
        return x
    if p == 1:
        return torch.zeros_like(x)
    mask = torch.rand(x.shape, generator=generator) >= p
    return x * mask / (1 - p)

# %% wrong | p-edge-cases | evaluation returns before p is looked at
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not training:
        return x
    if not 0 <= p <= 1:
        raise ValueError("p must be between 0 and 1")
    if p == 1:
        return torch.zeros_like(x)
    mask = torch.rand(x.shape, generator=generator) >= p
    return x * mask / (1 - p)

# %% wrong | grad-disabled-in-training | a detached input for p = 0
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if not 0 <= p <= 1:
        raise ValueError("p must be between 0 and 1")
    if not training:
        return x
    if p == 0:
        return x.detach()
    if p == 1:
        return torch.zeros_like(x)
    mask = torch.rand(x.shape, generator=generator) >= p
    return x * mask / (1 - p)

# %% wrong | global-rng-disturbed | a number from the global generator although another was given
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if generator is not None:
        torch.rand(1)
    if not 0 <= p <= 1:
        raise ValueError("p must be between 0 and 1")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    mask = torch.rand(x.shape, generator=generator) >= p
    return x * mask / (1 - p)

# %% wrong | global-rng-disturbed | seeds the global generator although another was given
def inverted_dropout(x, p=0.5, training=True, generator=None):
    if generator is not None:
        torch.manual_seed(0)
    if not 0 <= p <= 1:
        raise ValueError("p must be between 0 and 1")
    if not training or p == 0:
        return x
    if p == 1:
        return torch.zeros_like(x)
    mask = torch.rand(x.shape, generator=generator) >= p
    return x * mask / (1 - p)
