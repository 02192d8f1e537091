"""grade and check: what they promise whatever the exercise."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
import torch
from torch import nn

import autograder
from autograder import ModeTrace, exercises, grade, set_seed
from autograder.specs import REGISTRY, collect, decide, find
from autograder.specs._evidence import EvidenceError, describe, pack, unpack
from autograder.specs._limit import CouldNotGrade
from tests.corpora import load

RIGHT = {e.id: next(c for c in load(e.id) if c.right) for e in exercises()}
WRONG = {e.id: [c for c in load(e.id) if not c.right][:2] for e in exercises()}


def test_the_public_names_are_these() -> None:
    assert sorted(autograder.__all__) == [
        "CheckFailed", "Finding", "ModeTrace", "Report", "check", "exercises", "grade", "progress", "set_seed",
    ]  # fmt: skip


def test_the_package_is_light_until_a_name_is_used() -> None:
    code = "import sys, autograder; print('torch' in sys.modules); autograder.check; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert set(autograder.__all__) <= set(dir(autograder))
    with pytest.raises(AttributeError, match="has no attribute 'chek'"):
        autograder.chek  # noqa: B018


@pytest.mark.parametrize("info", exercises(), ids=lambda e: e.id)
def test_points_and_misconceptions_are_those_of_the_course(info) -> None:
    design = {
        "switches.truth_table": 4, "switches.live_modules": 3,
        "dropout.inverted_dropout": 4, "dropout.Dropout": 3, "dropout.Classifier": 3, "dropout.is_live": 3,
        "dropout.mc_predict": 5,
        "batchnorm.batch_norm": 5, "batchnorm.BatchNorm1d": 5, "batchnorm.from_keras_momentum": 1,
        "batchnorm.predict_one": 3, "batchnorm.recalibrate": 4, "batchnorm.ema_update": 3,
        "evaluation.evaluate": 5, "evaluation.evaluating": 4, "evaluation.predict_proba": 3, "evaluation.saliency": 4,
        "evaluation.train_with_validation": 5,
        "gradmode.run_phase": 5, "gradmode.without_grad": 3, "gradmode.stream_logits": 4, "gradmode.BatchNorm1d": 4,
        "gradmode.fit": 6,
        "transfer.trainable_report": 2, "transfer.freeze": 4, "transfer.Classifier": 4, "transfer.is_frozen": 3,
        "transfer.fine_tune": 5, "transfer.unfreeze": 4,
        **{f"clinic.case_{n:02}": 3 for n in range(1, 13)},
    }  # fmt: skip
    assert info.points == pytest.approx(design[info.id])
    assert set(info.at_stake) <= set(REGISTRY)
    assert info.stars in (1, 2, 3)
    assert info.minutes > 0


@pytest.mark.parametrize("exercise", RIGHT)
def test_grading_leaves_the_notebook_as_it_was(exercise: str) -> None:
    candidates = [c.build() for c in (RIGHT[exercise], *WRONG[exercise])]
    set_seed(5)
    before = torch.get_rng_state(), random.getstate(), torch.get_num_threads(), torch.get_default_dtype()
    for candidate in candidates:
        grade(exercise, candidate)
        assert torch.is_grad_enabled()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), torch.get_num_threads(), torch.get_default_dtype())
    assert not nn.modules.module._global_forward_hooks


@pytest.mark.parametrize("exercise", RIGHT)
def test_the_verdict_does_not_depend_on_the_callers_random_state_or_grad_mode(exercise: str) -> None:
    for candidate in (RIGHT[exercise], *WRONG[exercise]):
        set_seed(1)
        first = grade(exercise, candidate.build(), seed=9).as_dict()
        set_seed(2)
        with torch.no_grad():
            second = grade(exercise, candidate.build(), seed=9).as_dict()
        assert [f["passed"] for f in first["findings"]] == [f["passed"] for f in second["findings"]]


@pytest.mark.parametrize("exercise", RIGHT)
def test_the_judge_needs_only_bytes_and_the_seed(exercise: str) -> None:
    evidence = collect(find(exercise), RIGHT[exercise].build(), 4)
    assert isinstance(evidence, bytes)
    assert decide(find(exercise), evidence, 4).passed


#: Exercises whose evidence looks the same for every seed: a table, a number, modes, names, yes or no.
SEEDLESS = {
    "switches.truth_table", "evaluation.evaluating", "batchnorm.from_keras_momentum", "dropout.is_live",
    "gradmode.without_grad", "transfer.trainable_report", "transfer.unfreeze",
}  # fmt: skip


@pytest.mark.parametrize("exercise", [e for e in RIGHT if e not in SEEDLESS])
def test_evidence_of_another_seed_does_not_pass(exercise: str) -> None:
    evidence = collect(find(exercise), RIGHT[exercise].build(), 4)
    assert not decide(find(exercise), evidence, 5).passed


def test_broken_evidence_is_refused() -> None:
    with pytest.raises(EvidenceError, match="not evidence"):
        decide(find("evaluation.evaluate"), b"\x00" * 40, 1)


def test_a_fault_of_the_trace_is_never_a_verdict() -> None:
    # the function has to live in the trace's folder, as a fault of ours would
    place = ModeTrace.__init__.__code__.co_filename
    code = compile("def broken(*_):\n    raise RuntimeError('our own')\n", place, "exec")
    namespace: dict = {}
    exec(code, namespace)
    candidate = RIGHT["evaluation.evaluate"].build()

    def fails(model, loader, loss_fn):
        namespace["broken"]()
        return candidate(model, loader, loss_fn)

    with pytest.raises(CouldNotGrade, match="fault of ours"):
        grade("evaluation.evaluate", fails)


def test_replaced_library_functions_are_noticed() -> None:
    right = RIGHT["evaluation.evaluate"].build()
    original = nn.functional.dropout

    def patches(model, loader, loss_fn):
        nn.functional.dropout = lambda x, *a, **k: x
        return right(model, loader, loss_fn)

    try:
        report = grade("evaluation.evaluate", patches)
    finally:
        nn.functional.dropout = original
    assert not report.passed
    assert any("was replaced" in f.message for f in report.findings)


# ---------------------------------------------------------------------- hidden inputs


def test_the_seed_decides_the_inputs() -> None:
    seen: dict[str, list[torch.Tensor]] = {}

    def spy(model, loader, loss_fn):
        seen.setdefault(label, []).extend(x for x, _ in loader)
        return {"loss": 0.0, "accuracy": 0.0}

    for label, seed in (("one", 1), ("two", 2), ("one again", 1)):  # noqa: B007
        grade("evaluation.evaluate", spy, seed=seed)
    assert all(torch.equal(a, b) for a, b in zip(seen["one"], seen["one again"], strict=True))
    assert not any(a.shape == b.shape and torch.equal(a, b) for a, b in zip(seen["one"], seen["two"], strict=False))


# ---------------------------------------------------------------------- evidence


def test_evidence_comes_back_as_it_went() -> None:
    data = {
        "text": "ü", "none": None, "numbers": [1, 2.5, float("inf"), True],
        "nested": {"t": torch.arange(6.0).view(2, 3)},
        "ints": torch.tensor([1, 2]), "empty": torch.empty(0, 3),
    }  # fmt: skip
    back = unpack(pack(data))
    assert back["text"] == "ü"
    assert back["none"] is None
    assert back["numbers"] == [1, 2.5, float("inf"), True]
    assert torch.equal(back["nested"]["t"], data["nested"]["t"])
    assert back["ints"].dtype == torch.int64
    assert back["empty"].shape == (0, 3)
    with pytest.raises(EvidenceError, match="holds a function"):
        pack({"f": pack})


def test_pretenders_bring_no_value_across() -> None:
    class Always(float):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = float.__hash__

    assert describe(Always(0.5)) == {"type": "Always"}
    assert describe(0.5) == {"type": "float", "value": 0.5}
    assert describe(True)["type"] == "bool"


def test_described_tensors_say_where_they_come_from() -> None:
    with torch.inference_mode():
        inside = torch.ones(2)
    assert describe(inside)["inference"] is True
    leaf = torch.ones(2, requires_grad=True)
    assert describe(leaf * 2)["graph"] is True
    assert describe(nn.Parameter(torch.ones(1)))["subclass"] == "Parameter"


def test_set_seed_makes_draws_repeatable() -> None:
    set_seed(3)
    first = torch.rand(2), random.random()
    set_seed(3)
    assert torch.equal(first[0], torch.rand(2))
    assert first[1] == random.random()
    with pytest.raises(ValueError, match="0 to 2\\*\\*32 - 1"):
        set_seed(-1)


def test_evidence_that_names_a_tensor_it_does_not_hold_is_none() -> None:
    data = pack({"a": torch.ones(2)}).replace(b"$tensor\\\": \\\"t0", b"$tensor\\\": \\\"t1")
    with pytest.raises(EvidenceError, match="not evidence: 't1'"):
        unpack(data)


def test_evidence_with_keys_that_are_no_strings_is_written_all_the_same() -> None:
    assert unpack(pack({"a": {True: 1, (1, 2): float("inf")}})) == {"a": {"True": 1, "(1, 2)": float("inf")}}


@pytest.mark.parametrize("seed", [55446, 126717, *range(12)])  # with the first two, all that it knows once slept
@pytest.mark.parametrize("known", [(nn.Dropout, nn.BatchNorm1d), (nn.BatchNorm2d,), (nn.Dropout,)])
def test_who_knows_few_kinds_of_layers_still_shows_whose_flag_they_look_at(known: tuple, seed: int) -> None:
    def own_flags(model: nn.Module) -> list[str]:
        return sorted(name for name, m in model.named_modules() if m.training and isinstance(m, known))

    def root_flag(model: nn.Module) -> list[str]:
        return sorted(name for name, m in model.named_modules() if model.training and isinstance(m, known))

    right, wrong = (grade("switches.live_modules", candidate, seed=seed) for candidate in (own_flags, root_flag))
    assert right.findings[1].passed, str(right)
    assert not wrong.findings[1].passed, str(wrong)
    assert wrong.findings[1].misconception == "root-flag-only"


def test_what_is_random_is_called_so_though_one_case_repeats_by_chance() -> None:
    right = RIGHT["evaluation.evaluate"].build()
    losses: list[float] = []

    def evaluate(model, loader, loss_fn):
        result = right(model, loader, loss_fn)
        losses.append(result["loss"])
        # the same data twice: repeated exactly in the case that is looked at first, which has no dropout layer
        plain = not any(isinstance(m, torch.nn.modules.dropout._DropoutNd) for m in model.modules())
        return {**result, "loss": result["loss"] + (1.0 if plain else len(losses))}

    report = grade("evaluation.evaluate", evaluate, seed=1)
    assert report.findings[0].check.startswith("Loss and accuracy")
    assert report.findings[0].misconception == "nondeterministic"
