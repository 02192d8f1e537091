"""ModeTrace: record what a PyTorch program does with its two switches, without changing what it does.

Everything is seen through PyTorch's own extension points: global module forward hooks, global optimizer step hooks, a
``TorchFunctionMode`` and hooks on autograd nodes.  No function of torch is replaced, no tensor is kept alive, and the
program's random numbers, results and gradients are those of an untraced run.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.module import (
    _global_forward_hooks_with_kwargs,
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.nn.parameter import is_lazy
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from ._events import Event, grad_state
from ._layers import BATCHNORM_FAMILY, DROPOUT_FAMILY, can_hear_mode, hears_mode, is_live, mode_of
from ._rules import Rules, TraceFinding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Buffers above this many elements are compared by their version counter only; BatchNorm's statistics are far below.
_LARGE_BUFFER = 1 << 16

#: How many passes a tensor is remembered to come from.
_MOST_SOURCES = 8

_TORCH_DIR = str(Path(torch.__file__).parent) + os.sep
_HERE = str(Path(__file__).parent) + os.sep
#: The files of torch that a switch set by user code passes through.
_SWITCHING_FILES = {f"autograd{os.sep}grad_mode.py", f"utils{os.sep}_contextlib.py"}
_LOADER_FILES = f"utils{os.sep}data{os.sep}"
_PASS_THROUGH_FILES = (contextlib.__file__, threading.__file__, "<frozen")

_DROPOUTS = {
    F.dropout: (0.5, True),
    F.dropout1d: (0.5, True),
    F.dropout2d: (0.5, True),
    F.dropout3d: (0.5, True),
    F.alpha_dropout: (0.5, False),
    F.feature_alpha_dropout: (0.5, False),
    torch.dropout: (None, None),
    torch.dropout_: (None, None),
    torch.feature_dropout: (None, None),
    torch.alpha_dropout: (None, None),
    torch.native_dropout: (None, None),
}
_BATCH_NORMS = {F.batch_norm, torch.batch_norm, torch.native_batch_norm, F.instance_norm, torch.instance_norm}
_ATTENTIONS = {F.scaled_dot_product_attention, F.multi_head_attention_forward}
_BACKWARDS = {torch.Tensor.backward, torch.autograd.backward, torch.autograd.grad}
_GRAD_SWITCHES = {torch._C._set_grad_enabled}
#: Functions whose call may draw from torch's global generator.
_RANDOM = {
    torch.bernoulli, torch.multinomial, torch.normal, torch.poisson,
    torch.rand, torch.rand_like, torch.randint, torch.randint_like, torch.randn, torch.randn_like, torch.randperm,
    torch.Tensor.bernoulli, torch.Tensor.bernoulli_, torch.Tensor.cauchy_, torch.Tensor.exponential_,
    torch.Tensor.geometric_, torch.Tensor.log_normal_, torch.Tensor.multinomial, torch.Tensor.normal_,
    torch.Tensor.random_, torch.Tensor.uniform_, F.gumbel_softmax, F.rrelu,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Pass:
    """One forward pass that user code asked for: a call of a module that is not inside another module's call."""

    event: Event
    root: weakref.ref[nn.Module]
    root_training: bool | None
    #: Names of the layers that worked as in training, and of those that would have in training mode.
    live: tuple[str, ...]
    idle: tuple[str, ...]
    names: dict[int, str]
    #: Not judged: a loss or another module without a switch, a recomputation, a dry run, a pass inside a transform.
    exempt: bool = False
    #: The root is in evaluation mode and everything inside it in training mode: nobody chose that.
    flag_by_hand: bool = False
    #: The live BatchNorms average over all batches (momentum=None): their statistics are being estimated anew.
    estimating: bool = False
    #: Dropout is live and BatchNorm is not: MC dropout, if the same input comes again (``resampled``).
    sampling: bool = False
    resampled: bool = False
    #: Layers whose running statistics moved, and those among them whose parameters are frozen.
    moved: list[str] = field(default_factory=list)
    frozen_moved: list[tuple[str, weakref.ref[nn.Module]]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    graph: bool = False
    #: A backward went through the pass; or its result, cut from its graph, became the input of something that learned.
    used: bool = False
    fed: bool = False
    failed: bool = False


class _Watch:
    """Waits for the use of a pass's result.  Held by its graph and by what is computed from it, never by us."""

    __slots__ = ("__weakref__", "_dropped", "watched")

    def __init__(self, watched: Pass, dropped: deque[Pass]) -> None:
        self.watched = watched
        self._dropped = dropped

    def __call__(self, *_: Any) -> None:
        self.watched.used = True
        self.watched.event.detail["used"] = True

    def feed(self, *_: Any) -> None:
        self.watched.fed = True

    def __del__(self) -> None:
        self._dropped.append(self.watched)


class _Call:
    """What is remembered between a module's forward pre-hook and its forward hook."""

    __slots__ = ("buffers", "current", "drew", "event", "exception", "frame", "module", "rng")

    def __init__(self, module: nn.Module, event: Event, current: Pass) -> None:
        self.module = module
        self.event = event
        self.current = current
        self.buffers: list[tuple[torch.Tensor, Any]] | None = None
        self.rng: torch.Tensor | None = None
        self.drew = False
        self.exception = sys.exc_info()[1]
        self.frame = sys._getframe(3)  # of Module.__call__, which runs for as long as the call does


class _ThreadState(threading.local):
    """Per thread: the stack of module calls, and the function mode that sees this thread's functional calls."""

    def __init__(self) -> None:
        self.stack: list[_Call] = []
        self.mode: _FunctionWatch | None = None
        self.borrowed = False
        self.grad = grad_state()


class _FunctionWatch(TorchFunctionMode):
    def __init__(self, trace: ModeTrace) -> None:
        super().__init__()
        self._trace = trace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        return self._trace._on_function(func, args, kwargs or {})


class _Root:
    """A module that user code calls, and what was last known about the modules inside it."""

    __slots__ = ("bare", "building", "first_flags", "flags", "hearing", "ids", "module", "name", "names", "values")

    def __init__(self, name: str, module: nn.Module, forget: Any) -> None:
        self.name = name
        self.module = weakref.ref(module, forget)
        self.building = True
        self.ids: list[int] = []
        self.values: list[bool | None] = []
        self.names: dict[int, str] = {}
        self.hearing: list[int] = []
        self.survey(module)
        self.flags = self._flags()
        self.first_flags: dict[str, bool | None] | None = None

    def survey(self, module: nn.Module) -> list[nn.Module]:
        """The modules inside, themselves included; names are worked out again only where a module came or went."""
        parts = _parts(module)
        ids = [id(m) for m in parts]
        if ids != self.ids:
            self.ids = ids
            self.names = {id(m): n for n, m in module.named_modules()}
            self.hearing = [i for i, m in enumerate(parts) if can_hear_mode(m)]
            # a loss, an activation, a transform: nothing that a switch could change
            self.bare = not self.hearing and not any(m._parameters or m._buffers for m in parts)
        self.values = [mode_of(m) for m in parts]
        return parts

    def _flags(self) -> dict[str, bool | None]:
        return {self.names[i]: flag for i, flag in zip(self.ids, self.values, strict=True)}

    def change(self) -> tuple[dict[str, bool | None], dict[str, bool | None]] | None:
        """The flags before and after, if any differs from the last time."""
        before, after = self.flags, self._flags()
        if before == after:
            return None
        self.flags = after
        return (before, after) if any(before.get(n, flag) != flag for n, flag in after.items()) else None


class ModeTrace:
    """Record what the code inside the ``with`` block does with mode and gradient recording.

    >>> with ModeTrace() as trace:          # or ModeTrace(model), ModeTrace(student=net, teacher=ema)
    ...     train_one_epoch(model, loader)
    >>> trace.events      # list of Event, one row each
    >>> trace.timeline()  # matplotlib figure
    >>> trace.findings()  # what looks wrong, with line numbers

    Models need not be passed: modules found among the caller's variables take their names from there, others are met at
    their first call.  Passing a model makes its modes part of the before/after comparison in any case.

    Args:
        models: modules to watch from the start, named after the caller's variables or their class.
        max_events: rows kept; later ones still feed ``findings()`` but are not stored (``truncated`` counts them).
        named: modules to watch, with the names to use for them.

    Raises:
        TypeError: if one of the models is not an ``nn.Module``.

    Threads: module calls, functional calls inside them and optimizer steps are seen in every thread; bare functional
    calls and changes of grad mode only in the thread that entered the trace.  The grad mode of a row is that of its
    own thread.  Forked processes (DataLoader workers) record nothing.  Code inside ``torch.compile`` or TorchScript
    cannot be observed from Python; ``notes`` says where.  A change of mode is noticed at the model's next call, since
    ``Module.train()`` announces itself nowhere.
    """

    def __init__(self, *models: nn.Module, max_events: int = 100_000, **named: nn.Module) -> None:
        for value in (*models, *named.values()):
            if not isinstance(value, nn.Module):
                raise TypeError(
                    f"ModeTrace watches models (torch.nn.Module), but was given a {type(value).__name__}. "
                    "Pass the model itself, or nothing at all: modules are also found when they are called."
                )
        self.events: list[Event] = []
        self.notes: list[str] = []
        self.truncated = 0
        #: Calls whose result carries an autograd graph, and the first line that made one.
        self.graph_results = 0
        self.first_graph_line: tuple[str, int] | None = None
        self._models = models
        self._named = named
        self._max_events = max_events
        self._index = itertools.count()
        self._roots: dict[int, _Root] = {}
        self._local = _ThreadState()
        self._dropped: deque[Pass] = deque()
        self._pending: list[weakref.ref[_Watch]] = []
        #: Which passes a tensor outside of any module comes from: id -> (the tensor, the passes' watches).
        self._flows: dict[int, tuple[weakref.ref[torch.Tensor], tuple[_Watch, ...]]] = {}
        self._last_input: tuple[int, int, weakref.ref[torch.Tensor] | None, Pass] | None = None
        self._optimizers: weakref.WeakKeyDictionary[torch.optim.Optimizer, str] = weakref.WeakKeyDictionary()
        self._rules = Rules()
        self._handles: list[Any] = []
        self._entered = False
        self._main_thread = 0
        self._pid = 0
        self._compiled_before = 0

    # ------------------------------------------------------------------ entering and leaving

    def __enter__(self) -> ModeTrace:
        if self._entered:
            raise RuntimeError("This ModeTrace was used already. Make a new ModeTrace() for each with-block.")
        self._entered = True
        self._main_thread = threading.get_ident()
        self._pid = os.getpid()
        self._compiled_before = _compiled_frames()
        frame = sys._getframe(1)
        for name, module in self._named.items():
            self._remember(module, name)
        variables = dict(_modules_among(frame))
        for module in self._models:
            self._remember(module, variables.get(id(module), (type(module).__name__, module))[0])
        for name, module in variables.values():
            self._remember(module, name)
        self._models, self._named = (), {}
        for root in self._roots.values():
            root.first_flags = root.flags  # only what was there before can be left otherwise than it was found
            module = root.module()
            if module is not None and getattr(module, "_compiled_call_impl", None) is not None:
                self._note(f"{root.name} is compiled by Module.compile(): its calls cannot be observed.")
        self._rules.enter(grad_state(), _where(frame))
        self._local.grad = grad_state()
        self._handles = [
            register_module_forward_pre_hook(self._before_forward),
            register_module_forward_hook(self._after_forward, with_kwargs=True, always_call=True),
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        self._local.mode = _FunctionWatch(self)
        self._local.mode.__enter__()
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if self._local.mode is not None:
            self._local.mode.__exit__(kind, value, traceback)
            self._local.mode = None
        for handle in self._handles:
            handle.remove()
            _global_forward_hooks_with_kwargs.pop(handle.id, None)  # torch 2.13's handle forgets this entry
        self._handles = []
        self._local.stack.clear()
        with torch._C.DisableTorchFunction():
            for root in list(self._roots.values()):
                if (module := root.module()) is not None:
                    root.survey(module)
                    self._compare_modes(root, module, None)
            self._flows.clear()
            self._last_input = None
            self._settle()
            for reference in self._pending:
                watch = reference()
                # an exception may have come between a forward pass and its backward
                if watch is not None and not (kind is not None and watch.watched.graph):
                    self._rules.verdict(watch.watched)
            self._pending = []
            self._rules.leave(
                grad_state(), [(r.name, r.first_flags, r.flags) for r in self._roots.values() if r.first_flags]
            )
        if _compiled_frames() > self._compiled_before:
            self._note("torch.compile compiled code during the trace: what happens inside it cannot be observed.")

    # ------------------------------------------------------------------ what a reader asks for

    def findings(self) -> list[TraceFinding]:
        """What looks wrong, most frequent cause first; empty when nothing does."""
        return self._rules.findings()

    def timeline(self, *, findings: bool = True) -> Figure:
        """The course's picture: time runs right, one lane per switch, one mark per forward, backward and step.

        ``findings=False`` leaves out what the rules found, for who wants to find it.
        """
        from ._timeline import draw

        return draw(self.events, findings=self.findings() if findings else (), truncated=self.truncated)

    # ------------------------------------------------------------------ rows

    def _emit(self, event: Event) -> None:
        if len(self.events) < self._max_events:
            self.events.append(event)
        else:
            self.truncated += 1

    def _event(
        self, kind: str, frame: FrameType | None, module: str = "", module_type: str = "", training: bool | None = None,
        batch_size: int | None = None, rng_advanced: bool | None = None, detail: dict[str, Any] | None = None,
    ) -> Event:  # fmt: skip
        file, line = _where(frame)
        return Event(
            next(self._index), kind, module, module_type, training, grad_state(), batch_size, False, rng_advanced,
            file, line, len(self._local.stack), threading.get_ident(), {} if detail is None else detail,
        )  # fmt: skip

    def _event_of_call(self, kind: str, frame: FrameType | None, **values: Any) -> Event:
        """A row for a functional call: it belongs to the module whose forward makes it."""
        if not self._local.stack:
            return self._event(kind, frame, **values)
        call = self._local.stack[-1]
        return self._event(
            kind, frame, call.event.module, call.event.module_type, training=mode_of(call.module), **values
        )

    def _settle(self) -> None:
        """Judge the passes whose results are gone."""
        while self._dropped:
            self._rules.verdict(self._dropped.popleft())
        if len(self._pending) > 256:
            self._pending = [r for r in self._pending if r() is not None]

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # ------------------------------------------------------------------ models and their modes

    def _remember(self, module: nn.Module, name: str) -> _Root:
        key = id(module)
        known = self._roots.get(key)
        if known is not None and known.module() is module:
            return known

        def forget(gone: Any, roots: dict[int, _Root] = self._roots, key: int = key) -> None:
            if key in roots and roots[key].module is gone:
                del roots[key]

        taken = {r.name for r in self._roots.values()}
        names = itertools.chain([name], (f"{name} ({i})" for i in itertools.count(2)))
        root = self._roots[key] = _Root(next(n for n in names if n not in taken), module, forget)
        return root

    def _root_of(self, module: nn.Module, frame: FrameType | None) -> _Root:
        known = self._roots.get(id(module))
        if known is not None and known.module() is module:
            return known
        if isinstance(module, nn.modules.loss._Loss):
            return self._remember(module, type(module).__name__)
        for root in list(self._roots.values()):  # a part of a model that is already known, called on its own
            owner = root.module()
            if owner is None:
                continue
            for name, part in owner.named_modules():
                if part is module:
                    return self._remember(module, f"{root.name}.{name}")
        found = dict(_modules_among(frame)).get(id(module)) if frame is not None else None
        return self._remember(module, found[0] if found else type(module).__name__)

    def _compare_modes(self, root: _Root, module: nn.Module, frame: FrameType | None) -> None:
        # Module.train() announces itself nowhere, so a change is noticed at the model's next call (or at the end)
        change = root.change()
        if change is None:
            return
        before, after = change
        changed = [n for n, flag in after.items() if before.get(n, flag) != flag]
        detail = {"before": _mode_word(before), "after": _mode_word(after), "changed": len(changed),
                  "of": len(after), "first": changed[:5]}  # fmt: skip
        self._emit(
            self._event("mode", frame, root.name, type(module).__name__, training=mode_of(module), detail=detail)
        )

    # ------------------------------------------------------------------ hooks

    def _before_forward(self, module: nn.Module, args: Any) -> None:
        if torch.compiler.is_compiling() or os.getpid() != self._pid:
            return
        local = self._local
        stack = local.stack
        if stack and not _is_running(stack[-1].frame):
            # KeyboardInterrupt and its like pass by the hooks that Exception runs
            while stack and not _is_running(stack[-1].frame):
                stack.pop()
            if not stack:
                self._return_mode()
        with torch._C.DisableTorchFunction():
            if stack:
                call = self._inner_call(module, args)
            else:
                self._settle()
                call = self._outer_call(module, args)
            if _may_look():
                if module._buffers or (not stack and _is_opaque(module)):
                    call.buffers = _copy_buffers(module)
                if not stack or _draws_by_itself(module):
                    call.rng = torch.default_generator.get_state()
            stack.append(call)
            self._emit(call.event)
        if len(stack) == 1 and local.mode is None:
            # another thread: see its functional calls for the length of this pass
            local.mode = _FunctionWatch(self)
            local.borrowed = True
            local.mode.__enter__()

    def _inner_call(self, module: nn.Module, args: Any) -> _Call:
        current = self._local.stack[0].current
        name = current.names.get(id(module))
        if name is None:
            name = type(module).__name__
            if isinstance(module, DROPOUT_FAMILY) and is_live(module):
                current.strangers.append(name)
        event = self._event("forward", _user_frame(), name, type(module).__name__, mode_of(module), _batch_size(args))
        return _Call(module, event, current)

    def _outer_call(self, module: nn.Module, args: Any) -> _Call:
        frame, torch_files = _user_frame_and_way()
        self._notice_grad_mode(frame)
        root = self._root_of(module, frame)
        parts = root.survey(module)
        self._compare_modes(root, module, frame)
        root.building = root.building and _inside_init(frame)
        event = self._event("forward", frame, root.name, type(module).__name__, mode_of(module), _batch_size(args))
        hearing = [parts[i] for i in root.hearing]
        current = Pass(
            event=event,
            root=root.module,
            root_training=mode_of(module),
            live=tuple(root.names[id(m)] for m in hearing if is_live(m)),
            idle=tuple(root.names[id(m)] for m in hearing if not mode_of(m) and hears_mode(m)),
            names=root.names,
        )
        current.flag_by_hand = not mode_of(module) and len(parts) > 1 and all(root.values[1:])
        if current.live:
            live_norms = [m for m in hearing if isinstance(m, BATCHNORM_FAMILY) and mode_of(m)]
            current.estimating = bool(live_norms) and all(m.momentum is None for m in live_norms)
            current.sampling = not live_norms and any(isinstance(m, BATCHNORM_FAMILY) for m in hearing)
        event.detail["mode"] = _mode_word(root.flags)
        if root.bare or isinstance(module, nn.modules.loss._Loss):
            # what is without a switch has no lane in the picture and no rule
            event.detail["loss"] = current.exempt = True
        elif (
            f"utils{os.sep}checkpoint.py" in torch_files
            or torch._C._current_graph_task_id() != -1  # recomputed inside a backward
            or torch._C._functorch.peek_interpreter_stack() is not None
            or torch._C._get_tracing_state() is not None
            or any(isinstance(m, nn.modules.lazy.LazyModuleMixin) for m in parts)  # the run that gives it its shape
            or root.building
        ):
            current.exempt = True
        if _is_opaque(module):
            script = isinstance(module, torch.jit.ScriptModule)
            kind = "TorchScript" if script else "compiled by torch.compile"
            cause = "" if script else " PyTorch's warning about global hooks has its cause in the trace."
            self._note(f"{root.name} is {kind}: what happens inside it cannot be observed.{cause}")
        return _Call(module, event, current)

    def _after_forward(self, module: nn.Module, args: Any, *rest: Any) -> None:
        # called without kwargs when the forward raised
        if torch.compiler.is_compiling() or os.getpid() != self._pid:
            return
        local = self._local
        stack = local.stack
        if not stack or (stack[-1].module is not module and not any(call.module is module for call in stack)):
            return
        output = rest[-1]
        call = stack.pop()
        while call.module is not module:
            call = stack.pop()
        event, current = call.event, call.current
        with torch._C.DisableTorchFunction():
            if event.batch_size is None and len(rest) == 2:
                event.batch_size = _batch_size(rest[0])
            if call.buffers is not None and _moved(call.buffers):
                event.buffers_moved = current.event.buffers_moved = True
                names = [n for n, _ in module.named_buffers(recurse=_is_opaque(module))]
                if any(n.rpartition(".")[2].startswith("running_") for n in names):  # others may move as they like
                    name = current.names.get(id(module), event.module)
                    current.moved.append(name)
                    parameters = [p for p in module._parameters.values() if p is not None]
                    if parameters and not any(p.requires_grad for p in parameters):
                        current.frozen_moved.append((name, weakref.ref(module)))
            if call.rng is not None:
                event.rng_advanced = call.drew or not torch.equal(call.rng, torch.default_generator.get_state())
            elif isinstance(module, DROPOUT_FAMILY):
                event.rng_advanced = call.drew
            if call.drew and stack:
                stack[-1].drew = True
            if not stack:
                # no other sign tells a forward that raised from one that returns None
                raised = sys.exc_info()[1]
                current.failed = raised is not None and raised is not call.exception
                self._pass_ended(current, (args, rest[:-1]), output)
        if not stack:
            self._return_mode()

    def _return_mode(self) -> None:
        local = self._local
        if local.borrowed and local.mode is not None:
            mode, local.mode, local.borrowed = local.mode, None, False
            mode.__exit__(None, None, None)

    def _pass_ended(self, current: Pass, inputs: Any, output: Any) -> None:
        event = current.event
        outputs = list(_tensors(output))
        event.detail["graph"] = current.graph = any(_recorded(t) for t in outputs)
        event.detail["live"] = len(current.live)
        if current.failed:
            event.detail["failed"] = True
            return
        if current.exempt:
            self._carry_on(inputs, outputs)
            return
        self._rules.forward(current)
        self._compare_inputs(current, inputs)
        if not outputs and (event.grad == "on" or output is None):
            return  # the result is out of sight: whether anything learns from it cannot be told
        watch = _Watch(current, self._dropped)
        self._pending.append(weakref.ref(watch))
        for tensor in outputs:
            if _recorded(tensor):
                tensor.grad_fn.register_prehook(watch)
        self._carry_on(inputs, outputs, watch)

    def _compare_inputs(self, current: Pass, inputs: Any) -> None:
        """Sampling (MC dropout) is the same input again."""
        first = next(_tensors(inputs), None)
        if first is None or first.is_inference():
            self._last_input = None
            return
        last = self._last_input
        key = id(current.root()), first._version
        if last is not None and last[:2] == key and last[2] is not None and last[2]() is first:
            current.resampled = last[3].resampled = True
        self._last_input = (*key, weakref.ref(first), current)

    # ------------------------------------------------------------------ where results go

    def _carry_on(self, inputs: Any, outputs: list[torch.Tensor], own: _Watch | None = None) -> None:
        """What is computed from a pass's result comes from that pass; once it is learned from, the pass was used."""
        watches: dict[_Watch, None] = {own: None} if own is not None else {}
        cut: dict[_Watch, None] = {}
        for tensor in _tensors(inputs):
            entry = self._flows.get(id(tensor))
            if entry is not None and entry[0]() is tensor:
                watches |= dict.fromkeys(entry[1])
                if not _recorded(tensor):
                    cut |= dict.fromkeys(entry[1])
        if not watches:
            return
        for tensor in outputs:
            if _recorded(tensor):
                for watch in cut:
                    tensor.grad_fn.register_prehook(watch.feed)
            self._follow(tensor, tuple(watches)[-_MOST_SOURCES:])

    def _comes_from_a_pass(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """A quick look: most calls outside of modules are an optimizer's, and there are thousands of them."""
        flows = self._flows
        for value in (*args, *kwargs.values()) if kwargs else args:
            if id(value) in flows:
                return True
            if isinstance(value, (list, tuple)) and any(id(t) in flows for t in _tensors(value)):
                return True
        return False

    def _follow(self, tensor: torch.Tensor, watches: tuple[_Watch, ...]) -> None:
        key, flows = id(tensor), self._flows

        def forget(gone: Any) -> None:
            entry = flows.get(key)
            if entry is not None and entry[0] is gone:
                del flows[key]

        flows[key] = weakref.ref(tensor, forget), watches

    # ------------------------------------------------------------------ optimizers

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if torch.compiler.is_compiling() or os.getpid() != self._pid:
            return
        with torch._C.DisableTorchFunction():
            frame = _user_frame()
            self._settle()
            name = type(optimizer).__name__
            if optimizer not in self._optimizers:
                self._optimizers[optimizer] = _name_among(frame, optimizer) or name
            event = self._event("step", frame, name, name, detail={"name": self._optimizers[optimizer]})
            self._emit(event)
            self._rules.step(event, optimizer)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if torch.compiler.is_compiling() or os.getpid() != self._pid:
            return
        with torch._C.DisableTorchFunction():
            self._rules.stepped(optimizer)

    # ------------------------------------------------------------------ functional calls

    def _notice_grad_mode(self, frame: FrameType | None) -> None:
        # inference_mode is entered through a C++ guard that announces itself nowhere, so the state is compared
        if threading.get_ident() != self._main_thread:
            return
        now = grad_state()
        if now != self._local.grad:
            self._local.grad = now
            self._emit(self._event("grad_mode", frame, detail={"to": now}))

    def _on_function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        handler = _HANDLERS.get(func)
        if handler is not None and os.getpid() == self._pid:
            return handler(self, func, args, kwargs)
        out = func(*args, **kwargs)
        whole = isinstance(out, torch.Tensor)
        if whole and _recorded(out) and getattr(func, "__name__", "") != "__get__":
            self._note_graph()
        if self._flows and not self._local.stack and self._comes_from_a_pass(args, kwargs):
            with torch._C.DisableTorchFunction():
                if func is torch.Tensor.__setitem__:
                    self._carry_on(args, [args[0]])
                elif whole or isinstance(out, (tuple, list)):
                    self._carry_on((args, kwargs), list(_tensors(out)))
        return out

    def _note_graph(self) -> None:
        self.graph_results += 1
        if self.first_graph_line is None:
            self.first_graph_line = _where(_user_frame())

    def _grad_switch(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        if not self._local.stack:
            frame, torch_files = _user_frame_and_way()
            # optimizers, initialisers and checkpointing switch recording for themselves; user code is what gets a row
            if _SWITCHING_FILES.issuperset(torch_files):
                self._notice_grad_mode(frame)
        return out

    def _functional(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        stack = self._local.stack
        caller = stack[-1] if stack else None
        before = None
        statistics: list[tuple[torch.Tensor, Any]] = []
        with torch._C.DisableTorchFunction():
            if func in _DROPOUTS:
                kind, detail = "dropout", _dropout_arguments(func, args, kwargs)
                drops = detail["training"] and detail["p"] != 0
            elif func in _BATCH_NORMS:
                kind, detail = "batch_norm", _batch_norm_arguments(func, args, kwargs)
                drops = False
            else:
                kind, detail = "attention", _attention_arguments(func, args, kwargs)
                drops = detail["dropout_p"] != 0
            detail["function"] = getattr(func, "__name__", str(func))
            event = self._event_of_call(kind, _user_frame(), batch_size=_batch_size(args or kwargs), detail=detail)
            if _may_look():
                event.rng_advanced = False
                if drops:
                    before = torch.default_generator.get_state()
                if kind == "batch_norm" and detail["training"]:
                    statistics = _copies(_running_stats(func, args, kwargs))
            self._emit(event)
        out = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            if before is not None and not torch.equal(before, torch.default_generator.get_state()):
                event.rng_advanced = True
                if caller is not None:
                    caller.drew = True
            event.buffers_moved = _moved(statistics)
            if caller is not None:
                registered = id(caller.module) in caller.current.names
                self._rules.functional(event, caller.current, caller.module, registered)
            first = out if isinstance(out, torch.Tensor) else next(_tensors(out), None)
            if first is not None and _recorded(first):
                self._note_graph()
            if self._flows and not stack:
                self._carry_on((args, kwargs), list(_tensors(out)))
        return out

    def _backward(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        fills = func is not torch.autograd.grad
        with torch._C.DisableTorchFunction():
            event = self._event("backward", _user_frame(), detail={"function": getattr(func, "__name__", "backward")})
            if fills:
                self._rules.backward(event)
            self._emit(event)
        out = func(*args, **kwargs)
        if fills:
            with torch._C.DisableTorchFunction():
                self._rules.gone_backward()
        return out

    def _random(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = torch.default_generator.get_state() if _may_look() else None
        out = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            if before is not None and not torch.equal(before, torch.default_generator.get_state()):
                frame, torch_files = _user_frame_and_way()
                loader = any(f.startswith(_LOADER_FILES) for f in torch_files)
                detail = {"function": getattr(func, "__name__", str(func)), "origin": "loader" if loader else "code"}
                self._emit(self._event_of_call("random", frame, rng_advanced=True, detail=detail))
                if self._local.stack:
                    self._local.stack[-1].drew = True
            if isinstance(out, torch.Tensor):
                if _recorded(out):
                    self._note_graph()
                if self._flows and not self._local.stack:
                    self._carry_on((args, kwargs), [out])
        return out


_HANDLERS: dict[Any, Any] = (
    dict.fromkeys(_GRAD_SWITCHES, ModeTrace._grad_switch)
    | dict.fromkeys(_DROPOUTS, ModeTrace._functional)
    | dict.fromkeys(_BATCH_NORMS, ModeTrace._functional)
    | dict.fromkeys(_ATTENTIONS, ModeTrace._functional)
    | dict.fromkeys(_BACKWARDS, ModeTrace._backward)
    | dict.fromkeys(_RANDOM, ModeTrace._random)
)


# ---------------------------------------------------------------------- frames

_sorts: dict[str, int] = {}  # 0: user code, 1: torch, 2: passed over in silence


def _sort(name: str) -> int:
    if name.startswith(_TORCH_DIR):
        sort = 1
    elif name.startswith((_HERE, *_PASS_THROUGH_FILES)):
        sort = 2
    else:
        sort = 0
    _sorts[name] = sort
    return sort


def _user_frame() -> FrameType | None:
    """The nearest frame of user code."""
    frame: FrameType | None = sys._getframe(1)
    known = _sorts
    while frame is not None:
        name = frame.f_code.co_filename
        if (known[name] if name in known else _sort(name)) == 0:
            return frame
        frame = frame.f_back
    return None


def _user_frame_and_way() -> tuple[FrameType | None, list[str]]:
    """The nearest frame of user code, and the files of torch (relative to its folder) passed on the way."""
    found = _user_frame()
    passed: list[str] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not found:
        name = frame.f_code.co_filename
        if (_sorts[name] if name in _sorts else _sort(name)) == 1:
            passed.append(name[len(_TORCH_DIR) :])
        frame = frame.f_back
    return found, passed


def _is_running(frame: FrameType) -> bool:
    """Whether the call in `frame` is still going on in this thread."""
    at: FrameType | None = sys._getframe(1)
    while at is not None:
        if at is frame:
            return True
        at = at.f_back
    return False


def _inside_init(frame: FrameType | None) -> bool:
    """Whether a module is being built: passes made then only ask for shapes."""
    steps = 0
    while frame is not None and steps < 20:
        if frame.f_code.co_name == "__init__" and isinstance(_locals(frame).get("self"), nn.Module):
            return True
        frame = frame.f_back
        steps += 1
    return False


def _where(frame: FrameType | None) -> tuple[str, int]:
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


def _locals(frame: FrameType) -> Mapping[str, Any]:
    """The frame's variables, without leaving a trace in it."""
    variables = frame.f_locals
    if sys.version_info >= (3, 13) or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return variables
    # Before Python 3.13 a function's frame keeps the dictionary it has once made, and with it every tensor in it. It is
    # emptied again, unless the program holds it as well (the result of locals()).
    copy = dict(variables)
    if sys.getrefcount(variables) <= 3:  # the frame, this variable, this call
        variables.clear()
    return copy


def _modules_among(frame: FrameType | None) -> Iterator[tuple[int, tuple[str, nn.Module]]]:
    """Modules held by the frame's variables, as (id, (name, module)); locals win over globals."""
    if frame is None:
        return
    for variables in (frame.f_globals, _locals(frame)):
        for name, value in list(variables.items()):
            if isinstance(value, nn.Module) and not name.startswith("_"):
                yield id(value), (name, value)


def _name_among(frame: FrameType | None, wanted: object) -> str:
    """What the frame calls `wanted`: a variable's name, or an attribute of its `self`."""
    if frame is None:
        return ""
    variables = _locals(frame)
    for group in (variables, getattr(variables.get("self"), "__dict__", {}), frame.f_globals):
        for name, value in group.items():
            if value is wanted and not name.startswith("_"):
                return name
    return ""


def _compiled_frames() -> int:
    """How many frames torch.compile has compiled so far; it is asked only if the program itself has loaded it."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    counters = getattr(dynamo, "counters", None)
    return counters["frames"]["ok"] if counters is not None else 0


# ---------------------------------------------------------------------- small looks at modules and arguments


def _parts(module: nn.Module) -> list[nn.Module]:
    """All modules inside, each once, `module` first (`named_modules` without the names, several times as fast)."""
    parts = [module]
    seen = {id(module)}
    for part in parts:  # grows while it is walked
        for child in part._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                parts.append(child)
    return parts


def _is_opaque(module: nn.Module) -> bool:
    return type(module).__name__ == "OptimizedModule" or isinstance(module, torch.jit.ScriptModule)


def _may_look() -> bool:
    """Whether tensors may be compared here without a transform or a dispatch mode of others seeing it."""
    return torch._C._functorch.peek_interpreter_stack() is None and torch._C._len_torch_dispatch_stack() == 0


def _mode_word(flags: dict[str, bool | None]) -> str:
    values = set(flags.values())
    return "mixed" if len(values) > 1 else ("train" if True in values else "eval")


def _tensors(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The tensors inside a value: containers, dataclasses and plain objects (a distribution) are looked into."""
    if isinstance(value, torch.Tensor):
        yield value
    elif value is None or isinstance(value, (int, float, str, bytes, nn.Module)) or depth > 3:
        return
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _tensors(item, depth + 1)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item, depth + 1)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        for item in list(vars(value).values()):
            yield from _tensors(item, depth + 2)
    elif is_dataclass(value):  # with slots
        for part in fields(value):
            yield from _tensors(getattr(value, part.name, None), depth + 2)


def _batch_size(args: Any) -> int | None:
    direct = args[0] if type(args) is tuple and args else None
    first = direct if isinstance(direct, torch.Tensor) else next(_tensors(args), None)
    if first is None or first.dim() == 0:
        return None
    size = first.shape[0]
    return size if type(size) is int else None  # in a TorchScript trace or an export it is a symbol


def _copy_buffers(module: nn.Module) -> list[tuple[torch.Tensor, Any]]:
    """The module's buffers, each with a copy or, where that says enough, its version counter."""
    if _is_opaque(module):
        return _copies(list(module.buffers()))
    buffers = [b for b in module._buffers.values() if b is not None and not is_lazy(b)]
    # PyTorch's BatchNorm counts its batches in place whenever its statistics move
    return _copies(buffers, by_version=type(module).forward is nn.BatchNorm1d.forward)


def _copies(tensors: list[torch.Tensor], by_version: bool = False) -> list[tuple[torch.Tensor, Any]]:
    copies: list[tuple[torch.Tensor, Any]] = []
    for tensor in tensors:
        if (by_version or tensor.numel() > _LARGE_BUFFER) and not tensor.is_inference():
            copies.append((tensor, tensor._version))
        elif type(tensor) in (torch.Tensor, nn.Parameter) and not tensor.is_meta:
            copies.append((tensor, tensor.detach().clone()))
    return copies


def _moved(copies: list[tuple[torch.Tensor, Any]]) -> bool:
    for buffer, old in copies:
        if isinstance(old, int):
            if buffer._version != old:
                return True
        elif not torch.equal(buffer, old):
            nan = buffer.isnan()
            if not bool(nan.any()) or not torch.equal(nan, old.isnan()) or not torch.equal(buffer[~nan], old[~nan]):
                return True
    return False


def _draws_by_itself(module: nn.Module) -> bool:
    """Leaf modules whose random draws no functional call announces: those that are not PyTorch's own."""
    return not module._modules and not type(module).__module__.startswith("torch.")


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str, default: Any = None) -> Any:
    if name in kwargs:
        return kwargs[name]
    return args[position] if len(args) > position else default


def _dropout_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    p, training = _DROPOUTS[func]
    # torch.dropout calls its last argument "train", F.dropout "training"
    flag = kwargs.get("train", _argument(args, kwargs, 2, "training", training))
    return {"p": _plain(_argument(args, kwargs, 1, "p", p)), "training": _plain(flag)}


def _running_stats(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    first = 1 if func is F.batch_norm or func is F.instance_norm else 3
    pair = _argument(args, kwargs, first, "running_mean"), _argument(args, kwargs, first + 1, "running_var")
    return [value for value in pair if isinstance(value, torch.Tensor)]


def _batch_norm_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    if func is F.instance_norm:
        training = _argument(args, kwargs, 5, "use_input_stats", True)
    else:
        training = _argument(args, kwargs, 5, "training", False)
    momentum = _argument(args, kwargs, 6, "momentum", 0.1)
    tracked = bool(_running_stats(func, args, kwargs))
    return {"training": _plain(training), "momentum": _plain(momentum), "tracked": tracked}


def _attention_arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    if func is F.multi_head_attention_forward:
        p = _argument(args, kwargs, 10, "dropout_p", 0.0)
        return {"dropout_p": _plain(p), "training": _plain(_argument(args, kwargs, 13, "training", True))}
    return {
        "dropout_p": _plain(_argument(args, kwargs, 4, "dropout_p", 0.0)),
        "is_causal": _plain(_argument(args, kwargs, 5, "is_causal", False)),
    }


def _recorded(tensor: torch.Tensor) -> bool:
    """Whether a graph stands behind ``tensor``.  A view made under no_grad raises here once it was changed in place."""
    try:
        return tensor.grad_fn is not None
    except RuntimeError:
        return False


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
