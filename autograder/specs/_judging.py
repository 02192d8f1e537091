"""What many judges need: which mistake explains a mode, a graph, or a changed buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ._exercise import Verdict

Record = Mapping[str, Any]


def blame(verdict: Verdict, check: str, mistake: str, *, expected: str, seen: str) -> None:
    """Fail a check; where no misconception is recognised, the likely cause is left out."""
    verdict.fail(check, mistake, expected=expected, seen=seen, cause="" if mistake == "wrong-result" else None)


# ---------------------------------------------------------------------- what the trace says


def passes(record: Record) -> list[dict[str, Any]]:
    """Forward passes that the candidate asked for (not those of modules inside modules, not losses)."""
    return [
        r for r in record.get("rows", ()) if r["kind"] == "forward" and r["depth"] == 0 and "loss" not in r["detail"]
    ]


def samples_seen(record: Record) -> int:
    return sum(r["batch_size"] or 0 for r in passes(record))


def live_calls(record: Record) -> set[str]:
    """Which of ``"dropout"`` and ``"batch_norm"`` worked as in training during the call."""
    found = set()
    for row in record.get("rows", ()):
        detail = row["detail"]
        if row["kind"] == "dropout" and detail.get("training") and (detail.get("p") or 0) > 0:
            found.add("dropout")
        if row["kind"] == "batch_norm" and detail.get("training"):
            found.add("batch_norm")
    return found


def mode_mistake(record: Record) -> str | None:
    """Why layers worked as in training although they should not: the misconception nearest the cause."""
    live = live_calls(record)
    if not live:
        return None
    if _all(record["modes_before"], True) and live != (present := _mode_calls(record)):
        # somebody switched one kind of layer and left the other
        return "dropout-in-eval" if present - live == {"batch_norm"} else "batch-stats-in-eval"
    roots = [r["training"] for r in passes(record) if r["detail"].get("live")]
    return "root-flag-only" if roots and not any(roots) else "eval-never-called"


def _mode_calls(record: Record) -> set[str]:
    return {r["kind"] for r in record.get("rows", ()) if r["kind"] in ("dropout", "batch_norm")}


def live_words(record: Record) -> str:
    words = {"dropout": "dropout dropped units", "batch_norm": "BatchNorm used the batch's statistics"}
    return " and ".join(words[k] for k in sorted(live_calls(record), reverse=True)) or "a pass in training mode"


# ---------------------------------------------------------------------- modes


def judge_modes(
    verdict: Verdict, check: str, normal: Sequence[Record], raising: Sequence[Record] = (), *, unasked: bool = False
) -> None:
    """Every submodule's flag has to be as it was: after a normal return, and when an exception passes through.

    ``unasked``: the exercise gives no reason to touch a mode at all.
    """
    expected = "every submodule's mode is as it was before the call"
    strayed = [r for r in normal if r["modes_before"] != r["modes_after"]]
    if strayed:
        record = next((r for r in strayed if _all(r["modes_before"], True)), strayed[0])
        mistake = "mode-not-restored" if unasked else _restoring_mistake(normal, strayed, record)
        verdict.fail(check, mistake, expected=expected, seen=_strayed(record))
    elif normal:
        verdict.require(check, True, expected=expected, seen="")
    lost = next((r for r in raising if r["modes_before"] != r["modes_after"]), None)
    if lost is not None:
        verdict.fail(
            check,
            "restore-skipped-on-exception",
            expected="every submodule's mode is as it was, also after an exception",
            seen="after an exception inside the model, " + _strayed(lost),
        )


def _restoring_mistake(normal: Sequence[Record], strayed: Sequence[Record], record: Record) -> str:
    """Which way of putting modes back gives these flags."""
    after = record["modes_after"]
    if _all(record["modes_before"], True):
        return "root-flag-only" if _only_roots(after) else "mode-not-restored"
    if any(_all(r["modes_before"], False) for r in strayed):
        return "blanket-train-restore"  # even a model that came in evaluation mode was woken
    if all(len(set(subs.values())) == 1 for r in strayed for subs in r["modes_after"].values()):
        follows_root = all(
            subs[""] == r["modes_before"][m][""] for r in strayed for m, subs in r["modes_after"].items()
        )
        if follows_root and any(_all(r["modes_before"], False) for r in normal):
            return "root-flag-only"  # one flag was remembered, and given to all
        if all(_all(r["modes_after"], False) for r in strayed):
            return "mode-not-restored"
    blanket = all(_all(r["modes_after"], True) for r in strayed)
    if not blanket and all(_by_children(r["modes_before"], r["modes_after"]) for r in strayed):
        return "root-flag-only"
    return "blanket-train-restore"


def _by_children(before: Mapping[str, Mapping[str, bool]], after: Mapping[str, Mapping[str, bool]]) -> bool:
    """Whether only the flags of the model and its children were remembered, each given to all below it."""
    return all(
        flag is before[m].get(name.partition(".")[0]) for (m, name), flag in _flags(after).items()
    )


def _only_roots(modes: Mapping[str, Mapping[str, bool]]) -> bool:
    return all(flag is (name == "") for (_, name), flag in _flags(modes).items())


def _flags(modes: Mapping[str, Mapping[str, bool]]) -> dict[tuple[str, str], bool]:
    return {(m, n): flag for m, subs in modes.items() for n, flag in subs.items()}


def _all(modes: Mapping[str, Mapping[str, bool]], value: bool) -> bool:
    return all(flag is value for flag in _flags(modes).values())


def _strayed(record: Record) -> str:
    before, after = _flags(record["modes_before"]), _flags(record["modes_after"])
    changed = [k for k in before if after.get(k) != before[k]]
    if not changed:
        return "the model has other submodules than before"
    name = changed[0][1] or "the model itself"
    was, now = ("training", "evaluation") if before[changed[0]] else ("evaluation", "training")
    rest = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    if after.get(changed[0], False) is None:
        return f"{name}{rest} lost the attribute training"
    return f"{name}{rest} changed from {was} to {now} mode"


# ---------------------------------------------------------------------- gradients and graphs

SWITCH = {True: "on", False: "off"}


def judge_no_graph(verdict: Verdict, check: str, record: Record, tensors: Mapping[str, Any] | None = None) -> None:
    """Nothing returned requires grad, and nothing on the way recorded a graph."""
    expected = "no autograd graph is recorded and nothing returned requires grad"
    for name, description in (tensors or {}).items():
        if description is None or description.get("type") != "Tensor":
            continue
        if description.get("requires_grad") or description.get("graph"):
            verdict.fail(check, "graph-built", expected=expected, seen=f"{name} requires grad")
    count = record["graph_results"]
    verdict.require(
        check,
        count == 0,
        "graph-built",
        expected=expected,
        seen=f"{count} operations recorded a graph; gradients were on during the pass",
    )


def grad_kept(record: Record) -> bool:
    return record["grad_before"] == record["grad_after"] and not record["inference_after"]


def judge_grad_mode(verdict: Verdict, check: str, normal: Sequence[Record], raising: Sequence[Record] = ()) -> None:
    """The caller's grad mode is back after a return, and after an exception."""
    for record in normal:
        verdict.require(
            check,
            grad_kept(record),
            "grad-mode-leaked",
            expected=f"gradient recording is {SWITCH[record['grad_before']]} after the call, as it was before",
            seen="inference mode" if record["inference_after"] else f"it is {SWITCH[record['grad_after']]}",
        )
    for record in raising:
        verdict.require(
            check,
            grad_kept(record),
            "restore-skipped-on-exception",
            expected=f"gradient recording is {SWITCH[record['grad_before']]} again, also after an exception",
            seen=f"it is {SWITCH[record['grad_after']]} after an exception",
            cause="The switch is put back only when all goes well, not when an error passes through",
        )


def judge_ordinary(verdict: Verdict, check: str, description: Mapping[str, Any] | None, what: str) -> None:
    """A tensor that later code may use in autograd."""
    inference = bool(description and description.get("inference"))
    verdict.require(
        check,
        not inference,
        "inference-tensor-escapes",
        expected=f"{what} is an ordinary tensor that can be used in autograd later",
        seen="it is an inference tensor",
    )


# ---------------------------------------------------------------------- everything else that must stay as it is


def judge_undisturbed(
    verdict: Verdict, check: str, record: Record, *, dropout_may_draw: bool = False, may: Sequence[str] = ()
) -> None:
    """Parameters, buffers, gradients, flags, inputs, grad mode, global generator, settings, hooks: as they were.

    ``may`` names what this exercise allows to change: ``"params"``, ``"buffers"``, ``"grads"``, ``"requires_grad"``,
    ``"rng"``.
    """
    judge_grad_mode(verdict, check, [record])
    if "requires_grad" not in may:
        verdict.require(
            check,
            not record["requires_grad"],
            "grad-disabled-in-training",
            expected="the parameters require grad exactly as before",
            seen=f"{_some(record['requires_grad'])} changed",
        )
    if "params" not in may:
        verdict.require(
            check,
            not record["params"] and not record["replaced"],
            "parameters-changed",
            expected="the parameters keep their values",
            seen=f"{_some(record['params'] or record['replaced'])} changed",
        )
    if "grads" not in may:
        verdict.require(
            check,
            not record["grads"],
            "parameter-grads-touched",
            expected="every parameter's .grad is as it was",
            seen=f"the .grad of {_some(record['grads'])} changed",
        )
    verdict.require(
        check,
        not record["inputs"],
        "input-touched",
        expected="the inputs are as they were",
        seen=f"{_some(record['inputs'])} changed, or its flag or .grad",
    )
    cause = mode_mistake(record)
    if "buffers" not in may:
        verdict.require(
            check,
            not record["buffers"],
            cause or "stats-updated-in-eval",
            expected="BatchNorm's running statistics are as before",
            seen=f"{_some(record['buffers'])} moved",
        )
    if "rng" not in may and not (dropout_may_draw and "dropout" in live_calls(record)):
        verdict.require(
            check,
            not record["rng_moved"] or _drawn_by_loader(record),
            cause if cause and "dropout" in live_calls(record) else "global-rng-disturbed",
            expected="the global random generator is as it was",
            seen="it moved during the call",
        )
    verdict.require(
        check,
        not record["settings"],
        expected="the layers keep their settings",
        seen=f"{', '.join(record['settings'][:2])} changed",
        cause="",
    )
    verdict.require(
        check, not record["hooks"], expected="no hooks are left behind", seen="a hook was left on the model", cause=""
    )


def _drawn_by_loader(record: Record) -> bool:
    """A loader that a candidate iterates draws a seed for its workers: its own doing."""
    rows = [
        r for r in record.get("rows", ()) if r["kind"] == "random" or (r["kind"] == "dropout" and r["rng_advanced"])
    ]
    return bool(rows) and all(r["kind"] == "random" and r["detail"].get("origin") == "loader" for r in rows)


def _some(names: Sequence[str], most: int = 2) -> str:
    shown = [n.partition(".")[2] or n for n in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


# ---------------------------------------------------------------------- numbers


def close(a: torch.Tensor | None, b: torch.Tensor, *, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Equal up to rounding.  The tolerance leaves room for another order of summation, not for another formula."""
    return a is not None and a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol)


def near(a: float | None, b: float, *, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    return a is not None and abs(a - b) <= atol + rtol * abs(b)
