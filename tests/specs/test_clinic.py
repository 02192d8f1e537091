"""The clinic: twelve programs that have what their cases say, read from one place, and pairs as candidates."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import nbformat
import pytest

from autograder import grade
from autograder.specs import REGISTRY, clinic
from autograder.specs._evidence import describe
from autograder.specs._exercise import Verdict
from autograder.specs.clinic import EXERCISES, Patient
from tests.conftest import ROOT
from tests.corpora import load

each = pytest.mark.parametrize("patient", EXERCISES, ids=lambda patient: patient.id)


def name_of(patient: Patient) -> str:
    return patient.id.rpartition(".")[2]


def program(patient: Patient) -> Any:
    return clinic.program(name_of(patient))


def master_cells(suffix: str) -> dict[str, str]:
    """Sources of the master notebook's cells of one sort, by the name of their case."""
    notebook = nbformat.read(ROOT / "solutions" / "ps6-clinic" / "ps6.ipynb", as_version=4)
    found = [re.fullmatch(rf"(case-\d\d)-{suffix}", cell.id) for cell in notebook.cells]
    return {m[1].replace("-", "_"): cell.source for m, cell in zip(found, notebook.cells, strict=True) if m}


def test_there_are_twelve_and_no_two_have_the_same() -> None:
    assert [name_of(p) for p in EXERCISES] == [f"case_{n:02}" for n in range(1, 13)]
    assert len({p.diagnoses[0] for p in EXERCISES}) == 12
    assert all(set(p.diagnoses) <= set(REGISTRY) for p in EXERCISES)


def test_an_unknown_program_is_told() -> None:
    for read in (clinic.source, clinic.program):
        with pytest.raises(LookupError, match=r"There is no program 'case_13'\. They are called case_01 to case_12\."):
            read("case_13")


def test_no_case_gives_its_diagnosis_away() -> None:
    for patient in EXERCISES:
        assert patient.at_stake == ()
        words = f"{patient.title} {patient.shows} {patient.program}"
        assert not any(mistake in words for mistake in REGISTRY)


def test_the_notebook_shows_the_programs_as_they_are() -> None:
    assert master_cells("program") == {name_of(p): p.program for p in EXERCISES}


@each
def test_a_program_is_short_and_says_what_it_should_do(patient: Patient) -> None:
    assert 15 <= len(patient.program.splitlines()) <= 31
    assert len(program(patient).__doc__) > 100


def test_no_repair_is_in_the_package() -> None:
    package = [p.read_text(encoding="utf-8") for p in (ROOT / "autograder").rglob("*.py")]
    lines = {re.sub(r"\s", "", line) for text in package for line in text.splitlines()}
    for name, source in master_cells("solution").items():
        known = set(clinic.source(name).splitlines())
        repair = [line for line in source.splitlines() if line not in known and not line.startswith("###")]
        assert not any(re.sub(r"\s", "", line) in lines for line in repair if len(line.strip()) > 40), name


@each
def test_the_program_as_it_is_has_what_the_case_says(patient: Patient) -> None:
    for diagnosis in (*patient.diagnoses, "wrong-result"):
        report = grade(patient.id, (diagnosis, program(patient)), seed=3)
        named, repaired = report.findings
        assert report.points == (diagnosis in patient.diagnoses)
        assert not repaired.passed
        assert repaired.misconception == patient.diagnoses[0]
        # the cause is the answer to the first question, until that is found
        assert ("Likely cause: " in repaired.message) is named.passed
        if not named.passed:
            assert patient.shows in named.message
            assert "'wrong-result', which is another one: A result with no usual cause" in named.message


@each
def test_every_other_id_of_the_registry_is_another_disease(patient: Patient) -> None:
    for mistake in REGISTRY:
        verdict = Verdict(patient)
        assert patient._diagnosis(verdict, describe(mistake)) is (mistake in patient.diagnoses)
        assert verdict.failed("diagnosis") is (mistake not in patient.diagnoses)


@pytest.mark.parametrize("said", ["eval-never-called", " Eval-Never-Called ", "eval_never_called", "eval never called"])
def test_an_id_is_read_as_it_was_meant(said: str) -> None:
    verdict = Verdict(EXERCISES[0])
    assert EXERCISES[0]._diagnosis(verdict, describe(said))


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("", "Seen: none yet."),
        (None, "Seen: nothing (None)."),
        (7, "Seen: an int."),
        ("eval-not-called", "Seen: 'eval-not-called', which is none; near it are 'eval-never-called' and"),
        ("xyzzy", "Seen: 'xyzzy', which is none."),
    ],
)
def test_what_is_no_id_is_told(said: Any, seen: str) -> None:
    report = grade("clinic.case_01", (said, program(EXERCISES[0])))
    assert report.points == 0
    assert seen in report.findings[0].message


def right(number: int = 1) -> tuple[str, Callable[..., Any]]:
    return next(c for c in load(f"clinic.case_{number:02}") if c.right).build()


@pytest.mark.parametrize(
    "form",
    [
        lambda id_, fn: (id_, fn),
        lambda id_, fn: [id_, fn],
        lambda id_, fn: {"misconception": id_, "repair": fn},
        lambda id_, fn: {"repaired_function": fn, "misconception_id": id_},
        lambda id_, fn: lambda: (id_, fn),
        lambda id_, fn: functools.partial(lambda a, b: (a, b), id_, fn),
        lambda id_, fn: (REGISTRY[id_], fn),
    ],
)
def test_a_pair_may_come_in_several_forms(form: Callable[..., Any]) -> None:
    assert grade("clinic.case_01", form(*right())).passed


@pytest.mark.parametrize(
    ("form", "seen"),
    [
        (lambda id_, fn: fn, "a function alone"),
        (lambda id_, fn: id_, "a string alone"),
        (lambda id_, fn: (fn, id_), "the function first"),
        (lambda id_, fn: (id_, fn, 3), "a tuple of 3"),
        (lambda id_, fn: {"cause": id_, "cure": fn}, "a dict with the keys ['cause', 'cure']"),
        (lambda id_, fn: lambda: fn, "a function that returns no pair"),
        (lambda id_, fn: lambda: 1 / 0, "ZeroDivisionError from it"),
    ],
)
def test_what_is_no_pair_is_told_what_is_wanted(form: Callable[..., Any], seen: str) -> None:
    report = grade("clinic.case_01", form(*right()))
    assert report.points == 0
    for finding in report.findings:
        assert finding.message == (
            f"Expected: case_01, a pair of the misconception's id and your repaired test_report. Seen: {seen}. "
            'Write case_01 = ("the-id", test_report).'
        )


@pytest.mark.parametrize(
    ("repair", "seen"),
    [
        (None, "Seen: None. Pass the function itself, without calling it: test_report."),
        (lambda model: {}, "Seen: it takes (model). Change its parameters."),
        ({}, "Seen: a dict."),
    ],
)
def test_a_diagnosis_counts_without_a_repair(repair: Any, seen: str) -> None:
    report = grade("clinic.case_01", ("eval-never-called", repair))
    assert report.points == 1
    assert seen in report.findings[1].message


def test_the_stub_of_the_notebook_earns_nothing() -> None:
    for patient in EXERCISES:
        assert f'### STUB {name_of(patient)} = ("", {patient.function})' in master_cells("solution")[name_of(patient)]
        assert grade(patient.id, ("", program(patient))).points == 0
