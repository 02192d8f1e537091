"""Models and data that cases are made of.  Small, varied, and the same for the same seed in every process.

Nothing here touches the global generator's state: it is forked while PyTorch initialises layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ..observe import BATCHNORM_FAMILY

#: A sample with an entry above this makes every case model raise: so that "an exception passes through" can be probed.
POISON = 1e6


class ForwardFailed(Exception):
    """Raised on purpose by a case model."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a generator seeded with ``seed``; the caller's generator comes back untouched."""
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: for the GPUs that there are not, it notes a stack trace at every call
        torch.default_generator.manual_seed(seed)
        torch.rand(1)  # so that who seeds it like this in there changes it
        yield


class _CaseModel(nn.Module):
    #: Whether a poisoned sample raises.  Off where nothing is poisoned: torch.vmap cannot look into a tensor.
    fragile = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fragile and bool((x.detach() > POISON).any()):
            raise ForwardFailed("this sample cannot be processed")
        return self.classify(x)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Dense(_CaseModel):
    """(N, 6) to (N, 3); BatchNorm and dropout inside nested blocks."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(p)),
            nn.Sequential(nn.Linear(16, 12), nn.BatchNorm1d(12), nn.Tanh()),
        )
        self.head = nn.ModuleDict({"drop": nn.Dropout(p / 2), "out": nn.Linear(12, 3)})

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.head["out"](self.head["drop"](self.features(x)))


class DenseDropping(Dense):
    """`Dense`, and the model itself drops by a function that asks its own flag."""

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().classify(x), 0.3, training=self.training)


class Conv(_CaseModel):
    """(N, 1, 6, 6) to (N, 4); BatchNorm2d and channel dropout."""

    def __init__(self, p: float = 0.4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout2d(p)
        self.out = nn.Linear(5 * 4 * 4, 4)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.drop(F.relu(self.norm(self.stem(x)))).flatten(1))


class ConvDropping(Conv):
    """The same, two levels deep; and the model itself drops by a function that asks its own flag.

    Whoever remembers the children alone, or switches them alone, is seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Sequential(self.norm)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(super().classify(x), 0.3, training=self.training)


class _FunctionalBlock(nn.Module):
    """Dropout through the functional form, told by its own flag: a flag set on the root alone does not reach it."""

    def __init__(self, width: int, p: float) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width)
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(torch.relu(self.mix(x)), self.p, training=self.training)


class DropoutOnly(_CaseModel):
    """(N, 6) to (N, 3); no BatchNorm, no buffers, dropout by a layer and by a function."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.block = _FunctionalBlock(16, p)
        self.drop = nn.Dropout(p)
        self.out = nn.Linear(16, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.drop(self.block(torch.tanh(self.first(x)))))


class NormOnly(_CaseModel):
    """(N, 6) to (N, 3); BatchNorm and no dropout: draws no random numbers in either mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(6, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, 10), nn.BatchNorm1d(10)
        )
        self.out = nn.Linear(10, 3)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.body(x)))


class Plain(_CaseModel):
    """(N, 6) to (N, 3); no layer that listens to the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, 12), nn.ReLU(), nn.Sequential(nn.Linear(12, 8), nn.Tanh()), nn.Linear(8, 3)
        )

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def build(maker: Callable[[], nn.Module], seed: int, *, double: bool = False) -> nn.Module:
    """A model as after some training: confident outputs, running statistics away from their starting values."""
    with seeded(seed):
        model = maker()
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    module.weight.mul_(2.0)
                if isinstance(module, BATCHNORM_FAMILY) and module.running_mean is not None:
                    module.running_mean.normal_(0.5, 1.0)
                    module.running_var.uniform_(0.3, 3.0)
                    if module.affine:
                        module.weight.uniform_(0.7, 1.6)
                        module.bias.normal_(0.0, 0.5)
                    module.num_batches_tracked.fill_(int(torch.randint(5, 50, ())))
    return model.double() if double else model


def mixed_modes(model: nn.Module, *frozen: str) -> nn.Module:
    """Training mode, except the submodules named and everything below them."""
    model.train()
    for name in frozen:
        model.get_submodule(name).eval()
    return model


def inputs(seed: int, *shape: int, double: bool = False) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=g) * 1.5
    return x.double() if double else x


def quiet_loader(*tensors: torch.Tensor, batch_size: int) -> DataLoader:
    """A DataLoader in order that draws nothing from the global generator: it has one of its own."""
    return DataLoader(TensorDataset(*tensors), batch_size=batch_size, generator=torch.Generator().manual_seed(0))


def noisy_loader(*tensors: torch.Tensor, batch_size: int, shuffle: bool) -> DataLoader:
    """A DataLoader as everybody writes it: each new iterator draws from the global generator, shuffled or not."""
    return DataLoader(TensorDataset(*tensors), batch_size=batch_size, shuffle=shuffle)


class Augmented(TensorDataset):
    """A dataset whose items are drawn anew each time, from the global generator."""

    def __getitem__(self, index: Any) -> tuple[torch.Tensor, ...]:
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.randn(x.shape, dtype=x.dtype), y


class Shuffling:
    """A loader that is no DataLoader: it draws its order from the global generator."""

    def __init__(self, dataset: TensorDataset, batch_size: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for rows in torch.randperm(len(self.dataset)).split(self.batch_size):
            yield self.dataset[rows]


def eval_logits(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the model says in evaluation mode about one big batch.  For judges, on models of their own."""
    model.eval()
    with torch.no_grad():
        return model(x)


# ---------------------------------------------------------------------- situations for evaluations


@dataclass(slots=True)
class Scene:
    """What an evaluation is given, and whether its caller records gradients."""

    model: nn.Module
    x: torch.Tensor
    y: torch.Tensor
    batch_size: int
    loss_fn: Any
    caller_grad: bool = True

    @property
    def loader(self) -> DataLoader:
        return quiet_loader(self.x, self.y, batch_size=self.batch_size)


def a_scene(name: str, seed: int) -> Scene:
    """A model, data with a short and unusual last batch, and the caller's own modes."""
    double = name == "plain"
    if name == "mixed":
        model = mixed_modes(build(ConvDropping, seed), "norm.0", "out")
        shape, classes = (1, 6, 6), 4
    elif name == "quiet":
        model = build(NormOnly, seed).eval()
        shape, classes = (6,), 3
    elif name == "plain":
        model = build(Plain, seed, double=True).train()
        shape, classes = (6,), 3
    elif name == "dropout":
        model = build(DropoutOnly, seed)
        model.eval()
        model.block.train()  # as somebody who samples from one block keeps it
        shape, classes = (6,), 3
    else:  # "train", "raises"
        model = mixed_modes(build(Dense, seed), *(["features.0.3"] if name == "raises" else []))
        shape, classes = (6,), 3
    full, rest = 4, 1 if name == "plain" else 2 + seed % 2  # one sample: no dimension may be squeezed away
    # four batches, and once three: whoever turns the modes over at each batch is back where it began after four
    count = (2 if name == "mixed" else 3) * full + rest
    x = inputs(seed + 1, count, *shape, double=double)
    # labels follow the model except in the last batch, so that a mean of batch means is far from the mean over samples
    with torch.no_grad():
        model_modes = {m: m.training for m in model.modules()}
        logits = eval_logits(model, x)
        for module, flag in model_modes.items():
            module.training = flag
    y = logits.argmax(1)
    y[-rest:] = (y[-rest:] + 1) % classes
    y[seed % 5] = (y[seed % 5] + 1) % classes
    if name == "raises":
        x[full + 1] = POISON * 10
        model.fragile = True
    if name == "train":
        fill_grads(model, seed + 7)
    loss_fn = nn.CrossEntropyLoss() if name in ("train", "mixed", "raises") else F.cross_entropy
    return Scene(model, x, y, full, loss_fn, caller_grad=name not in ("quiet",))


def fill_grads(model: nn.Module, seed: int) -> None:
    """Gradients of the caller's, as in the middle of an accumulation."""
    g = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=g).to(p.dtype)
