"""What ModeTrace sees, and that it changes nothing: bit-identical results, no hook and no tensor left behind."""

from __future__ import annotations

import copy
import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer
from torch.utils.data import DataLoader, TensorDataset

from autograder.observe import Event, ModeTrace, hears_mode, is_live


class Block(nn.Module):
    def __init__(self, n: int = 8) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(torch.relu(self.norm(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), Block())
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def data(n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, 4), torch.arange(n) % 3


def passes(trace: ModeTrace) -> list[Event]:
    return [e for e in trace.events if e.kind == "forward" and e.depth == 0 and "loss" not in e.detail]


def kinds(trace: ModeTrace, *wanted: str) -> list[Event]:
    return [e for e in trace.events if e.kind in wanted]


def hooks() -> tuple[int, ...]:
    groups = (
        torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks,
        torch_module._global_forward_hooks_always_called, torch_module._global_forward_hooks_with_kwargs,
        torch_optimizer._global_optimizer_pre_hooks, torch_optimizer._global_optimizer_post_hooks,
    )  # fmt: skip
    return (*map(len, groups), torch._C._len_torch_function_stack())


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = hooks()
    yield
    assert hooks() == before
    assert torch.is_grad_enabled()


# ---------------------------------------------------------------------- the key property: a trace changes nothing


class Everything(nn.Module):
    """Dropout, BatchNorm, attention, functional calls, a hand-made draw and a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), Block())
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.2, batch_first=True)
        self.rnn = nn.GRU(8, 8, num_layers=2, dropout=0.3, batch_first=True)
        self.head = nn.Linear(8, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        x = F.dropout(self.body(x), 0.1, self.training)[:, None]
        x = x + self.attention(x, x, x)[0] + 0.01 * torch.randn_like(x)
        return self.head(F.alpha_dropout(self.rnn(x)[0][:, 0], 0.1, self.training))


def life(seed: int) -> dict[str, Any]:
    """Training and validation with a shuffling loader; everything that came out of it."""
    torch.manual_seed(seed)
    model = Everything()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    x, y = data(20)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    losses, logits = [], []
    for _ in range(2):
        model.train()
        for a, b in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(a), b)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.detach())
        model.eval()
        with torch.inference_mode():
            logits += [model(a).clone() for a, _ in loader]
    return {
        "state": model.state_dict(), "grads": {n: p.grad for n, p in model.named_parameters()}, "losses": losses,
        "logits": logits, "rng": torch.get_rng_state(), "optimizer": optimizer.state_dict()["state"],
    }  # fmt: skip


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_traced_run_is_the_untraced_run_bit_for_bit(seed: int) -> None:
    plain = life(seed)
    with ModeTrace() as trace:
        traced = life(seed)
    with ModeTrace(), ModeTrace():
        twice = life(seed)
    assert same(plain, traced)
    assert same(plain, twice)
    assert not same(plain, life(seed + 1))  # the comparison can fail
    assert len(passes(trace)) == 12
    assert trace.findings() == []


def test_a_trace_keeps_no_tensor_and_no_model_alive() -> None:
    model = Net()
    x, y = data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with ModeTrace(model) as trace:
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
        unused = model(x)
        with torch.no_grad():
            kept_out = model(x) * 2
        grad = model.head.weight.grad
        held = [weakref.ref(t) for t in (x, out, loss, unused, kept_out, grad, model.body, optimizer)]
        model.zero_grad()
        del x, y, out, loss, unused, kept_out, grad
        gc.collect()
        assert [r() for r in held[:6]] == [None] * 6
    del model, optimizer
    gc.collect()
    assert [r() for r in held] == [None] * 8
    assert trace.findings()


def test_looking_for_names_leaves_the_callers_frame_alone() -> None:
    def body() -> dict[str, Any]:
        settings = {"lr": 0.1}
        model = Net()
        mine = locals()
        with ModeTrace():
            model(torch.randn(2, 4))
        assert mine["settings"] is settings  # what the program asked for is not emptied
        return mine

    assert body()["settings"] == {"lr": 0.1}


# ---------------------------------------------------------------------- rows


def test_rows_of_a_pass() -> None:
    model = Net()
    x, y = data()
    with ModeTrace() as trace:
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
    first = trace.events[0]
    line = test_rows_of_a_pass.__code__.co_firstlineno + 4
    assert (first.kind, first.module, first.module_type) == ("forward", "model", "Net")
    assert (first.training, first.grad) == (True, "on")
    assert (first.batch_size, first.buffers_moved, first.rng_advanced, first.depth) == (12, True, True, 0)
    assert (first.file, first.line, first.thread) == (__file__, line, threading.get_ident())
    assert first.detail == {"mode": "train", "graph": True, "live": 2, "used": True}
    inner = {e.module: e for e in trace.events if e.depth and e.kind == "forward"}
    assert list(inner) == ["body", "body.0", "body.1", "body.1.norm", "body.1.drop", "head"]
    assert inner["body.1.norm"].buffers_moved
    assert not inner["head"].buffers_moved
    assert inner["body.1.drop"].rng_advanced
    assert [(e.kind, e.module, e.detail["training"]) for e in kinds(trace, "batch_norm", "dropout")] == [
        ("batch_norm", "body.1.norm", True),
        ("dropout", "body.1.drop", True),
    ]
    assert [e.index for e in trace.events] == list(range(len(trace.events)))
    (loss_row,) = [e for e in trace.events if e.detail.get("loss")]
    assert loss_row.module_type == "CrossEntropyLoss"
    (backward,) = kinds(trace, "backward")
    assert backward.line == line + 1
    assert backward.as_row()["kind"] == "backward"


def test_modes_and_buffers_are_believed_by_value() -> None:
    model = Net()
    x, _ = data()
    with ModeTrace() as trace:
        model(x)
        model.eval()
        with torch.no_grad():
            model(x)
        model.body[1].norm.train()
        with torch.no_grad():
            model(x)
    assert [(e.detail["mode"], e.buffers_moved, e.rng_advanced) for e in passes(trace)] == [
        ("train", True, True),
        ("eval", False, False),
        ("mixed", True, False),
    ]
    assert [(e.detail["before"], e.detail["after"], e.detail["changed"]) for e in kinds(trace, "mode")] == [
        ("train", "eval", 7),
        ("eval", "mixed", 1),
    ]


def test_nan_in_a_buffer_is_no_movement() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.tensor([float("nan")]))

        def forward(self, x: torch.Tensor, move: bool) -> torch.Tensor:
            if move:
                self.seen.data.fill_(1.0)  # leaves the version counter alone
            return x

    counter = Counter()
    with ModeTrace() as trace:
        counter(torch.ones(2), False)
        counter(torch.ones(2), True)
    assert [e.buffers_moved for e in passes(trace)] == [False, True]


def test_grad_modes() -> None:
    with ModeTrace() as trace:
        with torch.no_grad():
            nn.Linear(2, 2)  # initialisation uses no_grad inside; that is torch's business
            with torch.enable_grad():
                pass
        nn.Linear(2, 2)
        with torch.inference_mode():
            nn.Sequential(nn.Dropout())(torch.ones(2))
        torch.set_grad_enabled(False)
        torch.set_grad_enabled(True)
    assert [e.detail["to"] for e in kinds(trace, "grad_mode")] == ["off", "on", "off", "on", "inference", "off", "on"]


def test_a_weight_may_be_changed_through_a_view_under_no_grad() -> None:
    weight = nn.Parameter(torch.zeros(2, 2))
    with ModeTrace() as trace, torch.no_grad():
        weight[0, 1].add_(1)
        weight[1].normal_()
    assert trace.graph_results == 0
    assert weight[0, 1] == 1


def test_graph_results_are_counted_with_the_first_line() -> None:
    x = torch.ones(3, requires_grad=True)
    with ModeTrace() as trace:
        with torch.no_grad():
            x * 2
        assert trace.graph_results == 0
        y = x * 2
        y.sum()
    assert trace.graph_results == 2
    assert trace.first_graph_line == (
        __file__, test_graph_results_are_counted_with_the_first_line.__code__.co_firstlineno + 6
    )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind", "detail"),
    [
        (lambda x: F.dropout(x, 0.3), "dropout", {"p": 0.3, "training": True}),
        (lambda x: F.dropout(x, p=0.3, training=False), "dropout", {"p": 0.3, "training": False}),
        (lambda x: F.dropout(input=x), "dropout", {"p": 0.5, "training": True}),
        (lambda x: torch.dropout(x, 0.2, train=True), "dropout", {"p": 0.2, "training": True}),
        (lambda x: F.alpha_dropout(x), "dropout", {"p": 0.5, "training": False}),
        (lambda x: F.dropout2d(x[..., None, None], 0.1), "dropout", {"p": 0.1, "training": True}),
        (lambda x: F.batch_norm(x, None, None, training=True), "batch_norm", {"training": True, "tracked": False}),
        (
            lambda x: F.batch_norm(x, torch.zeros(4), torch.ones(4), None, None, True, 0.2),
            "batch_norm", {"training": True, "momentum": 0.2, "tracked": True},
        ),
        (
            lambda x: F.batch_norm(x, running_mean=torch.zeros(4), running_var=torch.ones(4)),
            "batch_norm", {"training": False, "momentum": 0.1, "tracked": True},
        ),
        (lambda x: F.instance_norm(x[..., None].repeat(1, 1, 3)), "batch_norm", {"training": True, "tracked": False}),
        (
            lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], None, 0.4),
            "attention", {"dropout_p": 0.4, "is_causal": False},
        ),
        (
            lambda x: F.scaled_dot_product_attention(
                query=x[None], key=x[None], value=x[None], dropout_p=0.4, is_causal=True
            ),
            "attention", {"dropout_p": 0.4, "is_causal": True},
        ),
    ],
)  # fmt: skip
def test_functional_calls_are_seen_with_their_arguments(
    call: Callable[[torch.Tensor], Any], kind: str, detail: dict[str, Any]
) -> None:
    x = torch.randn(6, 4)
    with ModeTrace() as trace:
        call(x)
    (event,) = kinds(trace, "dropout", "batch_norm", "attention")
    assert event.kind == kind
    assert {k: event.detail[k] for k in detail} == detail
    live = bool(detail.get("dropout_p") or (kind == "dropout" and detail["training"]))
    assert event.rng_advanced is live
    assert event.buffers_moved is (kind == "batch_norm" and detail["training"] and detail["tracked"])
    assert (event.module, event.depth, event.file) == ("", 0, __file__)
    assert trace.findings() == []


def test_two_models_of_one_name_are_told_apart() -> None:
    with ModeTrace() as trace:
        for model in [nn.Linear(4, 2), nn.Linear(4, 2)] * 2:
            model(torch.ones(1, 4))
    assert [e.module for e in passes(trace)] == ["model", "model (2)"] * 2


@pytest.mark.parametrize("weights", [True, False])
def test_multihead_attention(weights: bool) -> None:
    layer = nn.MultiheadAttention(4, 2, dropout=0.3)
    x = torch.randn(5, 1, 4)
    with ModeTrace() as trace:
        layer(x, x, x, need_weights=weights)
        layer.eval()
        layer(query=x, key=x, value=x, need_weights=weights)
    calls = [e for e in kinds(trace, "attention") if "training" in e.detail]
    assert [e.detail["training"] for e in calls] == [True, False][: len(calls)]  # evaluation may take a fast path
    assert [e.rng_advanced for e in passes(trace)] == [True, False]
    assert "functional-dropout-always-on" not in [f.rule for f in trace.findings()]


def test_which_layers_listen_is_what_they_do() -> None:
    """`hears_mode` against the layers themselves: does a second output differ between the modes?"""
    x = torch.randn(8, 4, 6)
    layers = [
        nn.Dropout(0.5), nn.Dropout(0.0), nn.Dropout1d(0.5), nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5),
        nn.BatchNorm1d(4), nn.BatchNorm1d(4, track_running_stats=False), nn.InstanceNorm1d(4),
        nn.InstanceNorm1d(4, track_running_stats=True), nn.RReLU(), nn.LayerNorm(6), nn.ReLU(),
        nn.GRU(6, 6, num_layers=2, dropout=0.5), nn.GRU(6, 6, num_layers=2),
    ]  # fmt: skip
    for layer in layers:

        def out(layer: nn.Module = layer) -> torch.Tensor:
            torch.manual_seed(0)
            result = layer(x)
            return result[0] if isinstance(result, tuple) else result

        differs = not torch.equal(layer.train() and out(), layer.eval() and out())
        if isinstance(layer, nn.BatchNorm1d) and not layer.track_running_stats:
            assert hears_mode(layer)  # by family; without statistics both modes use the batch
            continue
        assert hears_mode(layer) is differs, layer
        assert not is_live(layer)
        assert is_live(layer.train()) is differs


# ---------------------------------------------------------------------- names


def test_names() -> None:
    named, other = Net(), Net()
    holder = {"nobody": nn.Sequential(nn.Linear(4, 2))}
    x, _ = data()
    with ModeTrace(teacher=other) as trace:
        named(x)
        other(x)
        holder["nobody"](x)
        named.body[1](torch.randn(3, 8))
        made_inside = nn.Sequential(nn.Linear(4, 2))
        made_inside(x)
    assert [e.module for e in passes(trace)] == ["named", "teacher", "Sequential", "named.body.1", "made_inside"]


def test_a_model_given_by_position_has_its_variables_name() -> None:
    with ModeTrace(Net()) as trace:
        pass
    assert [r.name for r in trace._roots.values()] == []  # gone at once: nothing keeps it alive
    model = Net()
    with ModeTrace(model) as trace:
        pass
    assert "model" in [r.name for r in trace._roots.values()]


def test_shared_modules_and_shared_weights() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.b = self.a
            self.c = nn.Linear(4, 4)
            self.c.weight = self.a.weight
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.c(self.b(self.norm(self.a(x)))))

    model = Twice()
    with ModeTrace() as trace:
        model(torch.randn(6, 4)).sum().backward()
    assert [e.module for e in trace.events if e.depth == 1 and e.kind == "forward"] == ["a", "norm", "a", "c", "norm"]
    assert model.norm.num_batches_tracked == 2
    assert trace.findings() == []


def test_modules_that_come_and_go() -> None:
    model = Net()
    x, _ = data()
    with ModeTrace() as trace:
        model(x)
        model.head = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        model(x)
    assert [e.detail["live"] for e in passes(trace)] == [2, 3]
    assert trace.events[-1].module == "head.2"
    assert kinds(trace, "mode") == []


# ---------------------------------------------------------------------- exceptions


class Raises(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.error: BaseException | None = error

    def forward(self, x: torch.Tensor) -> torch.Tensor | None:
        y = self.inner(x)
        if self.error is not None:
            raise self.error
        return y


class Outer(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.raises = Raises(error)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.raises(x)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(2)])
def test_exceptions_leave_the_trace_in_order(error: BaseException) -> None:
    model, x = Outer(error), torch.randn(2, 4)
    with ModeTrace() as trace:
        with pytest.raises(type(error)):
            model(x)
        model.raises.error = None
        model(x).sum().backward()
    first, second = passes(trace)
    assert (first.depth, second.depth) == (0, 0)
    assert "failed" not in second.detail
    if isinstance(error, Exception):  # hooks do not run for the others
        assert first.detail["failed"] is True
    assert trace.findings() == []
    assert model.training


def test_a_pass_that_returns_none_has_not_failed() -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> None:
            self.linear(x)

    model = Silent()
    with ModeTrace() as trace:
        model(torch.ones(1, 4))
        try:
            raise ValueError
        except ValueError:  # an exception that is being handled outside is not the pass's
            model(torch.ones(1, 4))
    assert ["failed" in e.detail for e in passes(trace)] == [False, False]


def test_an_exception_ends_the_block() -> None:
    def block() -> None:
        with ModeTrace(), torch.no_grad():
            Outer(ValueError("inside"))(torch.ones(2, 4))

    with pytest.raises(ValueError, match="inside"):
        block()


def test_a_trace_is_used_once_and_watches_models_only() -> None:
    trace = ModeTrace()
    with trace:
        pass
    with pytest.raises(RuntimeError, match=r"used already. Make a new ModeTrace\(\)"):
        trace.__enter__()
    with pytest.raises(TypeError, match=r"watches models .* given a list\. Pass the model itself"):
        ModeTrace([nn.Linear(1, 1)])  # type: ignore[arg-type]


# ---------------------------------------------------------------------- what modules take and return


@dataclass
class Out:
    logits: torch.Tensor
    name: str = "x"


@dataclass(slots=True)
class SlottedOut:
    logits: torch.Tensor


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: {"logits": t}, lambda t: Out(t), lambda t: SlottedOut(t), lambda t: [("a", t)], lambda t: (None, t),
        lambda t: torch.distributions.Normal(t, 1.0),
    ],
)  # fmt: skip
def test_outputs_of_any_shape(wrap: Callable[[torch.Tensor], Any]) -> None:
    class Wraps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.drop = nn.Dropout()

        def forward(self, *, x: torch.Tensor) -> Any:
            return wrap(self.drop(self.linear(x)))

    model = Wraps()
    with ModeTrace() as trace:
        out = model(x=torch.ones(5, 4))
        t = out.mean if isinstance(out, torch.distributions.Normal) else next(iter_tensors(out))
        t.sum().backward()
    (event,) = passes(trace)
    assert (event.batch_size, event.detail["graph"], event.detail["used"]) == (5, True, True)
    assert trace.findings() == []


def iter_tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from itertools.chain.from_iterable(map(iter_tensors, value))
    elif isinstance(value, (Out, SlottedOut)):
        yield value.logits


# ---------------------------------------------------------------------- generators and threads


def test_a_generator_that_holds_no_grad_across_its_yields() -> None:
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout())

    def stream() -> Iterator[torch.Tensor]:
        with torch.no_grad():
            for _ in range(2):
                yield model(torch.ones(1, 4))

    with ModeTrace() as trace:
        model.eval()
        items = stream()
        next(items)
        model(torch.ones(1, 4))  # the caller's own pass: the leak is visible in its row
        items.close()
        model(torch.ones(1, 4)).sum().backward()
    assert [e.grad for e in passes(trace)] == ["off", "off", "on"]
    assert [e.detail["to"] for e in kinds(trace, "grad_mode")] == ["off", "on"]


def test_threads_have_their_own_grad_mode() -> None:
    model, served = Net(), Net().eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = data()
    turn = [threading.Semaphore(0), threading.Semaphore(0)]

    def serve() -> None:
        for recording_off in (torch.inference_mode, torch.no_grad, torch.inference_mode):
            with recording_off():
                turn[0].acquire()
                F.dropout(served(x), 0.0)
                turn[1].release()

    worker = threading.Thread(target=serve)
    with ModeTrace() as trace:
        worker.start()
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            turn[0].release()
            turn[1].acquire()
            loss.backward()
            optimizer.step()
        worker.join()
    mine = [e for e in passes(trace) if e.thread == threading.get_ident()]
    theirs = [e for e in passes(trace) if e.thread != threading.get_ident()]
    assert [(e.grad, e.detail["mode"]) for e in mine] == [("on", "train")] * 3
    assert [(e.grad, e.detail["mode"]) for e in theirs] == [
        (grad, "eval") for grad in ("inference", "off", "inference")
    ]
    inside = [e for e in kinds(trace, "dropout") if e.thread != threading.get_ident()]
    assert [e.module for e in inside] == ["body.1.drop"] * 3  # functional calls inside a pass are seen there too
    assert kinds(trace, "grad_mode") == []
    assert trace.findings() == []


# ---------------------------------------------------------------------- loaders


class Transformed(TensorDataset):
    """Calls a module in its workers."""

    scale = nn.Linear(4, 4)
    trace: ModeTrace

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        x, y = super().__getitem__(index)
        with torch.no_grad():
            return self.scale(x), y, torch.tensor(len(self.trace.events))


def test_loader_with_workers() -> None:
    model = Net()
    x, y = data(8)
    dataset = Transformed(x, y)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2, multiprocessing_context="fork")
    in_workers = set()
    with ModeTrace() as trace:
        dataset.trace = trace
        for a, b, events in loader:
            F.cross_entropy(model(a), b).backward()
            in_workers |= set(events.tolist())
    assert len(in_workers) == 1  # as many as when they were forked: a long-lived worker does not fill its memory
    assert [e.module for e in passes(trace)] == ["model"] * 2  # what workers call stays with them
    draws = [e for e in kinds(trace, "random") if e.depth == 0]
    assert {e.detail["origin"] for e in draws} == {"loader"}
    assert trace.findings() == []


def test_draws_of_loaders_and_of_code_are_told_apart() -> None:
    loader = DataLoader(TensorDataset(torch.ones(4, 1)), batch_size=2)
    with ModeTrace() as trace:
        torch.rand(1)
        torch.rand(1, generator=torch.Generator())  # not the global generator
        for _ in loader:
            pass
    assert [e.detail["origin"] for e in kinds(trace, "random")] == ["code", "loader"]


# ---------------------------------------------------------------------- compiled code


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_torch_compile_and_the_trace_leave_each_other_alone() -> None:
    x, y = data()

    def run(traced: bool, before: bool) -> tuple[list[torch.Tensor], ModeTrace | None]:
        torch._dynamo.reset()
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if before:
            compiled(x)
        trace = ModeTrace() if traced else None
        if trace is not None:
            trace.__enter__()
        losses = []
        for _ in range(2):
            optimizer.zero_grad()
            loss = F.cross_entropy(compiled(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        if trace is not None:
            trace.__exit__(None, None, None)
        return [*losses, *model.state_dict().values()], trace

    for before in (False, True):
        plain, _ = run(False, before)
        traced, trace = run(True, before)
        assert all(map(torch.equal, plain, traced))
        assert trace is not None
        assert [(e.module, e.detail["graph"], e.buffers_moved) for e in passes(trace)] == [("compiled", True, True)] * 2
        assert any("compiled is compiled by torch.compile" in n for n in trace.notes)
        assert trace.findings() == []


def test_the_trace_does_not_load_dynamo() -> None:
    import subprocess

    program = (
        "import sys, torch; from torch import nn; from autograder.observe import ModeTrace\n"
        "with ModeTrace() as t: nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()\n"
        "print('torch._dynamo' in sys.modules, len(t.events))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "2"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    x, _ = data()
    with ModeTrace() as trace:
        traced = torch.jit.trace(model, x)  # our looks must not end up in the recorded graph
        scripted = torch.jit.script(copy.deepcopy(model))
        scripted.train()
        scripted(x).sum().backward()
    assert "equal" not in str(traced.inlined_graph)
    assert "clone" not in str(traced.inlined_graph)
    assert torch.equal(traced(x), model(x))
    assert any("scripted is TorchScript" in n for n in trace.notes)
    (event,) = [e for e in passes(trace) if e.module == "scripted"]
    assert event.buffers_moved
    assert trace.findings() == []


# ---------------------------------------------------------------------- other machinery


def test_gradient_accumulation_and_double_backward() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with ModeTrace() as trace:
        for _ in range(2):
            for _ in range(3):
                x = torch.randn(5, 4, requires_grad=True)
                (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
                slope.pow(2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert [e.detail["function"] for e in kinds(trace, "backward")] == ["grad", "backward"] * 6
    assert [e.module_type for e in kinds(trace, "step")] == ["Adam", "Adam"]
    assert {e.detail["name"] for e in kinds(trace, "step")} == {"optimizer"}
    assert trace.findings() == []


def test_nested_traces_see_the_program_and_not_each_other() -> None:
    def program() -> None:
        model = Net()
        x, y = data()
        F.cross_entropy(model(x), y).backward()
        model.eval()
        with torch.no_grad():
            model(x)

    with ModeTrace() as alone:
        program()
    with ModeTrace() as outer, ModeTrace() as inner:
        program()

    def rows(trace: ModeTrace) -> list[tuple[Any, ...]]:
        return [(e.index, e.kind, e.module, e.training, e.grad, e.line, e.depth, e.rng_advanced, e.buffers_moved)
                for e in trace.events]  # fmt: skip

    assert rows(outer) == rows(inner) == rows(alone)
    assert outer.graph_results == inner.graph_results == alone.graph_results


def test_inside_inference_mode() -> None:
    with torch.inference_mode():
        model = Net()  # its buffers are inference tensors, which have no version
        x, _ = data()
        with ModeTrace() as trace:
            model(x)
            model.eval()
            model(x)
    assert [(e.grad, e.buffers_moved) for e in passes(trace)] == [("inference", True), ("inference", False)]
    assert {f.rule for f in trace.findings()} == {"eval-never-called", "mode-not-restored"}


def test_function_transforms() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Dropout(0.0))
    params = {k: v.detach() for k, v in model.named_parameters()}
    x = torch.randn(5, 4)

    def loss(p: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, p, (row[None],)).sum()

    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return self.linear(x)

    counting = Counts()
    ensemble = torch.func.stack_module_state([counting, counting])

    def run() -> list[torch.Tensor]:
        many = torch.func.vmap(lambda p, b: torch.func.functional_call(counting, (p, b), (x,)))(*ensemble)
        per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(params, x)
        jacobian = torch.func.jacrev(lambda row: model(row))(x[0])
        return [*per_sample.values(), jacobian, torch.func.vmap(model)(x), many]

    plain = run()
    with ModeTrace() as trace:
        traced = run()
    assert all(map(torch.equal, plain, traced))
    assert len(passes(trace)) == 4
    assert [f.rule for f in trace.findings()] == []


def test_modes_of_others_see_nothing_of_the_trace() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Log(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.calls.append(str(func))
            return func(*args, **(kwargs or {}))

    model, (x, _) = Net(), data()
    with Log() as plain:
        model(x)
    with ModeTrace(), Log() as traced:
        model(x)
    assert traced.calls == plain.calls


def test_fake_tensors_and_another_default_device() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with ModeTrace() as trace:
        with FakeTensorMode():
            Net()(torch.empty(3, 4))
        with torch.device("meta"):
            meta = Net()
            meta(torch.empty(3, 4))
    assert [e.batch_size for e in passes(trace)] == [3, 3]


def test_deep_models() -> None:
    model: nn.Module = nn.Linear(4, 4)
    for _ in range(80):
        model = nn.Sequential(model)
    wide = nn.Sequential(*(nn.Linear(4, 4) for _ in range(200)))
    with ModeTrace() as trace:
        model(torch.ones(1, 4)).sum().backward()
        wide(torch.ones(1, 4)).sum().backward()
    assert max(e.depth for e in trace.events) == 80
    assert trace.events[80].module == ".".join(["0"] * 80)
    assert len(trace.events) == 81 + 201 + 2


def test_rows_beyond_the_limit_are_counted_and_still_judged() -> None:
    model, x = Net(), torch.randn(3, 4)
    with ModeTrace(max_events=5) as trace, torch.no_grad():
        for _ in range(4):
            model(x)
    assert len(trace.events) == 5
    assert trace.truncated > 20
    assert [(f.rule, f.count) for f in trace.findings()] == [("eval-never-called", 4)]
