"""What a trace costs: training loops traced against untraced, side by side.

Each round runs the same training steps without and with `ModeTrace`, in turn, so that a busy machine slows both.
The figure is the median over rounds of the ratio of the two times; it goes to bench/results/trace_overhead.json.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))

from autograder import ModeTrace
from bench import _record

_AIM = 1.3


class SmallCNN(nn.Module):
    """Two convolutions with BatchNorm and dropout, two linear layers: 1×28×28 images, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


class SmallTransformer(nn.Module):
    """Two encoder layers of width 64 over 32 tokens, ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embed(x)).mean(1))


def many_modules() -> nn.Sequential:
    """200 modules: 50 times Linear, BatchNorm, ReLU, Dropout, width 32; nearly all of its time is Python's."""
    layers: list[nn.Module] = []
    for _ in range(50):
        layers += [nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers[:-1], nn.Linear(32, 10))


_LOOPS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "small CNN": (SmallCNN, (64, 1, 28, 28), 6),
    "small transformer": (SmallTransformer, (64, 32, 16), 6),
    "200 modules": (many_modules, (64, 32), 6),
}


def _steps(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, n: int) -> None:
    model.train()
    for _ in range(n):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()


def measure(make: Callable[[], nn.Module], shape: tuple[int, ...], steps: int, rounds: int) -> dict[str, Any]:
    """Seconds per round, untraced and traced, and the median of their ratio."""
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(shape), torch.randint(0, 10, shape[:1])
    _steps(model, optimizer, x, y, steps)
    plain: list[float] = []
    traced: list[float] = []
    for i in range(rounds):
        for times, context in ((plain, contextlib.nullcontext()), (traced, ModeTrace()))[:: 1 if i % 2 else -1]:
            start = time.perf_counter()
            with context:
                _steps(model, optimizer, x, y, steps)
            times.append(time.perf_counter() - start)
    ratios = [t / p for p, t in zip(plain, traced, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "quartiles": [round(q, 3) for q in statistics.quantiles(ratios, n=4)[::2]],
        "ms_per_step_untraced": round(1000 * statistics.median(plain) / steps, 3),
        "ms_per_step_traced": round(1000 * statistics.median(traced) / steps, 3),
    }


@click.command()
@click.option("--rounds", default=21, show_default=True, help="How often each loop runs, traced and untraced.")
@click.option("--threads", default=1, show_default=True, help="Threads torch may use.")
def main(rounds: int, threads: int) -> None:
    """Measure the overhead of ModeTrace and write it down."""
    torch.set_num_threads(threads)
    rows = {name: measure(make, shape, steps, rounds) for name, (make, shape, steps) in _LOOPS.items()}
    told = ", ".join(f"{name} {row['ratio']:.2f}" for name, row in rows.items())
    _record.write("trace_overhead", rounds=rounds, threads=threads, aim=_AIM, loops=rows)
    click.echo(f"trace overhead (traced / untraced): {told}; aim for the small CNN: {_AIM}")


if __name__ == "__main__":
    main()
