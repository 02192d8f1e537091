"""The referee against kernels that follow the protocol, and against kernels that do not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder.grading import referee as module
from autograder.grading.judge import Judge, NoEvidence, judge_of
from autograder.grading.referee import Referee
from autograder.grading.verdict import Verdict
from autograder.kernel import available_levels
from autograder.specs import EvidenceError, _evidence, check, collect, find, service, wire
from tests.corpora import load

EXERCISE = "evaluation.evaluate"
OTHER = "evaluation.saliency"
RIGHT = next(c for c in load(EXERCISE) if c.right)
WRONG = next(c for c in load(EXERCISE) if c.misconception == "mode-not-restored")
POINTS = find(EXERCISE).points
SEED = 271_828
LEVEL = available_levels()[0]


def seed_of(exercise: str) -> int:
    return SEED + len(exercise)


def evidence(candidate: Any = RIGHT, seed: int | None = None) -> bytes:
    return collect(find(EXERCISE), candidate.build(), seed_of(EXERCISE) if seed is None else seed)


def play(kernel: Callable[[socket.socket], Any], exercise: str = EXERCISE) -> tuple[Verdict | None, Referee, Any]:
    """Let `kernel` speak on the line while the cell of `exercise` is graded; verdict, referee, what kernel returned."""

    async def grading() -> tuple[Verdict | None, Referee, Any]:
        referee = Referee(seed_of, judge_of(LEVEL), "tests")
        serving = asyncio.ensure_future(referee.serve())
        referee.expect(exercise, POINTS)
        own = socket.socket(fileno=socket.dup(referee.kernel_end))
        referee.handed_over()
        with own, ThreadPoolExecutor(1) as pool:
            said = await asyncio.get_running_loop().run_in_executor(pool, kernel, own)
        await serving
        return referee.settle(), referee, said

    return asyncio.run(grading())


@pytest.fixture
def graded_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[socket.socket], None]]:
    """Makes this process the kernel: `check` finds the line in its environment."""
    monkeypatch.setattr(wire, "_line", None)
    yield lambda own: monkeypatch.setenv(wire.VARIABLE, str(socket.dup(own.fileno())))
    if wire._line is not None:
        wire._line._socket.close()


# ---------------------------------------------------------------------- kernels that follow the protocol


@pytest.mark.parametrize(("candidate", "outcome"), [(RIGHT, "passed"), (WRONG, "failed")])
def test_check_gets_the_referee_s_report_and_raises_nothing(
    candidate: Any, outcome: str, graded_kernel: Callable
) -> None:
    def kernel(own: socket.socket) -> Any:
        graded_kernel(own)
        report = check(EXERCISE, candidate.build())
        wire._line._socket.close()
        return report

    verdict, referee, report = play(kernel)
    assert (verdict.outcome, referee.refused) == (outcome, [])
    assert verdict.points == report.points == (POINTS if candidate.right else candidate.points)
    assert verdict.misconceptions == ([] if candidate.right else [candidate.misconception])
    assert verdict.shown["text/plain"] == f"{report.points:g}"


def test_a_check_of_another_exercise_is_answered_at_home_and_does_not_count(graded_kernel: Callable) -> None:
    def kernel(own: socket.socket) -> None:
        graded_kernel(own)
        check(EXERCISE, RIGHT.build())
        wire._line._socket.close()

    verdict, referee, _ = play(kernel, exercise=OTHER)
    assert (verdict, referee.refused) == (None, [])


def test_a_probe_that_breaks_is_nobody_s_fault(graded_kernel: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> bytes:
        raise MemoryError("no memory")

    def kernel(own: socket.socket) -> None:
        graded_kernel(own)
        monkeypatch.setattr("autograder.specs._grade.collect", broken)
        with pytest.raises(RuntimeError, match="no memory"):
            check(EXERCISE, RIGHT.build())
        wire._line._socket.close()

    verdict, _, _ = play(kernel)
    assert verdict.outcome == "could not be graded"
    assert "MemoryError: no memory" in verdict.refusal


def test_the_variable_is_read_once_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = socket.socketpair()
    monkeypatch.setattr(wire, "_line", None)
    monkeypatch.setenv(wire.VARIABLE, str(own.detach()))
    first = wire.line()
    assert wire.VARIABLE not in __import__("os").environ
    assert wire.line() is first
    first._socket.close()
    other.close()


# ---------------------------------------------------------------------- kernels that do not


def without_asking(own: socket.socket) -> None:
    wire.Line(own).ask({"nonce": "0" * 32}, evidence())


def replayed_nonce(own: socket.socket) -> None:
    wire.Line(own).ask({"ask": EXERCISE})
    wire.Line(own).ask({"nonce": "f" * 32}, evidence())


def nonce_of_another_kind(own: socket.socket) -> None:
    wire.Line(own).ask({"ask": EXERCISE})
    wire.Line(own).ask({"nonce": 0}, evidence())


def nonce_with_a_surrogate(own: socket.socket) -> None:
    wire.Line(own).ask({"ask": EXERCISE})
    wire.Line(own).ask({"nonce": "\udcff"}, evidence())


def twice(own: socket.socket) -> None:
    nonce = wire.Line(own).ask({"ask": EXERCISE})["nonce"]
    wire.Line(own).ask({"nonce": nonce}, evidence(WRONG))
    wire.Line(own).ask({"nonce": nonce}, evidence(RIGHT))


def forged_first(own: socket.socket) -> None:
    """A thread left behind answers before the check does."""
    nonce = wire.Line(own).ask({"ask": EXERCISE})["nonce"]
    wire.Line(own).ask({"nonce": nonce}, evidence(RIGHT))
    wire.Line(own).ask({"ask": EXERCISE})


def no_evidence(own: socket.socket) -> None:
    wire.Line(own).ask({"nonce": wire.Line(own).ask({"ask": EXERCISE})["nonce"]}, b"4.0")


def pickled(own: socket.socket) -> None:
    import pickle

    wire.Line(own).ask({"nonce": wire.Line(own).ask({"ask": EXERCISE})["nonce"]}, pickle.dumps({"points": 5}))


def other_cases(own: socket.socket) -> None:
    body = _evidence.pack({"cases": {"mine": {"call": {"ended": "returned"}}}})
    wire.Line(own).ask({"nonce": wire.Line(own).ask({"ask": EXERCISE})["nonce"]}, body)


def deep(own: socket.socket) -> None:
    text = '{"cases":' * 20_000
    header = b'{"__metadata__":{"evidence":' + __import__("json").dumps(text).encode() + b"}}"
    body = struct.pack("<Q", len(header)) + header
    wire.Line(own).ask({"nonce": wire.Line(own).ask({"ask": EXERCISE})["nonce"]}, body)


def oversized(own: socket.socket) -> None:
    own.sendall(wire.LENGTHS.pack(10, wire.MOST_BODY + 1) + b"x" * 1000)


def no_json(own: socket.socket) -> None:
    own.sendall(wire.LENGTHS.pack(4, 0) + b"\xff\xfe{}")


def no_object(own: socket.socket) -> None:
    own.sendall(wire.LENGTHS.pack(2, 0) + b"[]")


def deep_json(own: socket.socket) -> None:
    own.sendall(wire.LENGTHS.pack(60_000, 0) + b"[" * 60_000)


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (without_asking, "nobody had asked for"),
        (replayed_nonce, "nobody had asked for"),
        (nonce_of_another_kind, "nobody had asked for"),
        (nonce_with_a_surrogate, "nobody had asked for"),
        (twice, "came twice"),
        (forged_first, "more than once"),
        (no_evidence, "evidence is none"),
        (pickled, "evidence is none"),
        (other_cases, "other cases than it has"),
        (deep, "evidence is none"),
        (oversized, "at most"),
        (no_json, "not JSON"),
        (no_object, "not a JSON object"),
        (deep_json, "not JSON"),
    ],
)
def test_what_breaks_the_rules_is_worth_nothing(kernel: Callable[[socket.socket], None], reason: str) -> None:
    verdict, referee, _ = play(kernel)
    assert verdict.points == 0.0
    assert verdict.outcome == "failed"
    assert reason in verdict.refusal
    assert reason in referee.refused[-1]


def test_a_kernel_that_says_nothing_or_half_a_sentence_has_no_verdict() -> None:
    for words in (b"", wire.LENGTHS.pack(100, 0), wire.frame({"ask": EXERCISE})[:-3]):
        verdict, referee, _ = play(lambda own, words=words: own.sendall(words))
        assert (verdict, referee.refused) == (None, [])


def test_evidence_of_other_cases_is_worth_nothing() -> None:
    def kernel(own: socket.socket) -> None:
        wire.Line(own).ask({"nonce": wire.Line(own).ask({"ask": EXERCISE})["nonce"]}, evidence(RIGHT, seed=1))

    verdict, _, _ = play(kernel)
    assert verdict.points < POINTS
    assert verdict.outcome == "failed"


def test_late_evidence_is_refused_and_changes_no_verdict() -> None:
    async def grading() -> tuple[Verdict | None, dict, list[str]]:
        referee = Referee(seed_of, judge_of(LEVEL), "tests")
        asyncio.ensure_future(referee.serve())  # noqa: RUF006
        referee.expect(EXERCISE, POINTS)
        answer = referee._answer({"ask": EXERCISE}, b"")
        verdict = referee.settle()
        late = referee._answer({"nonce": answer["nonce"]}, evidence())
        referee.close()
        return verdict, late, referee.refused

    verdict, late, refused = asyncio.run(grading())
    assert verdict is None
    assert late == {"rejected": "Evidence came while no cell was being graded."}
    assert len(refused) == 1


def test_a_kernel_that_never_stops_talking_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MESSAGES", 5)

    def chatter(own: socket.socket) -> None:
        talking = wire.Line(own)
        with contextlib.suppress(wire.LineError, OSError):
            for _ in range(7):
                talking.ask({"ask": OTHER})

    verdict, _, _ = play(chatter)
    assert "more than 5 messages" in verdict.refusal


def test_of_many_refusals_a_few_are_kept() -> None:
    def flood(own: socket.socket) -> None:
        for _ in range(100):
            wire.Line(own).ask({"nonce": "0" * 32})

    verdict, referee, _ = play(flood)
    assert len(referee.refused) == module.MOST_REFUSED
    assert "nobody had asked for" in verdict.refusal


# ---------------------------------------------------------------------- judging


def test_a_judge_that_does_not_come_to_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*arguments: object) -> None:
        while True:
            pass

    before = signal.getsignal(signal.SIGPROF)
    monkeypatch.setattr(service, "JUDGING_SECONDS", 0.05)
    monkeypatch.setattr(service, "decide", endless)
    with pytest.raises(EvidenceError, match="took more than"):
        service.judge(EXERCISE, b"", 1, POINTS)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert signal.getsignal(signal.SIGPROF) == before


def test_a_judge_that_has_to_wait_for_the_machine_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(*arguments: object) -> None:
        threading.Event().wait(0.3)
        raise EvidenceError("it went on")

    monkeypatch.setattr(service, "JUDGING_SECONDS", 0.1)
    monkeypatch.setattr(service, "decide", waiting)
    with pytest.raises(EvidenceError, match="it went on"):
        service.judge(EXERCISE, b"", 1, POINTS)


def test_a_judge_that_stumbles_leaves_it_to_a_person() -> None:
    body = _evidence.pack({"cases": {case.name: {} for case in find(EXERCISE).cases(1)}})
    verdict = judge_of(LEVEL)(EXERCISE, body, 1, POINTS)
    assert (verdict.outcome, verdict.points) == ("could not be graded", 0.0)
    assert "could not be judged" in verdict.refusal


@pytest.mark.parametrize(
    ("exercise", "points", "reason"), [("no.such", 1.0, "no.such"), (EXERCISE, 99.0, "Release again")]
)
def test_a_cell_that_fits_no_exercise_is_our_fault(exercise: str, points: float, reason: str) -> None:
    verdict = judge_of(LEVEL)(exercise, evidence(), seed_of(EXERCISE), points)
    assert verdict.outcome == "could not be graded"
    assert reason in verdict.refusal


def test_forged_rows_cost_the_picture_and_nothing_else() -> None:
    tree = _evidence.unpack(evidence())
    for case in tree["cases"].values():
        case["call"]["rows"] = [{**row, "no such field": "<script>"} for row in case["call"]["rows"]]
    verdict = judge_of(LEVEL)(EXERCISE, _evidence.pack(tree), seed_of(EXERCISE), POINTS)
    assert verdict.outcome == "passed"
    assert "<figure" not in verdict.shown["text/html"]


# ---------------------------------------------------------------------- the process that judges


def judge_processes() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if one.name() == "judge_all"]


@pytest.fixture
def own_judge() -> Iterator[tuple[Judge, psutil.Process]]:
    """A judge for this test alone, and its process."""
    before = judge_processes()
    judge = Judge(LEVEL)
    assert judge(EXERCISE, evidence(), seed_of(EXERCISE), POINTS).outcome == "passed"
    (process,) = (one for one in judge_processes() if one not in before)
    yield judge, process
    judge.close()


def test_the_process_that_judges_says_what_the_judge_says(own_judge: Any) -> None:
    judge, _ = own_judge
    for candidate in (RIGHT, WRONG):
        body = evidence(candidate)
        assert judge(EXERCISE, body, SEED, POINTS) == Verdict(**service.judge(EXERCISE, body, SEED, POINTS))
    with pytest.raises(NoEvidence, match="not evidence"):
        judge(EXERCISE, b"4.0", SEED, POINTS)


def test_a_judge_that_was_killed_is_replaced(own_judge: Any) -> None:
    judge, process = own_judge
    process.kill()
    process.wait(10)
    assert judge(EXERCISE, evidence(), seed_of(EXERCISE), POINTS).outcome == "passed"


def test_who_ends_every_judge_is_left_to_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """As evidence would that ends the process, past all that Python can catch."""

    def ends(*arguments: object) -> socket.socket:
        own, theirs = socket.socketpair()
        theirs.close()
        return own

    monkeypatch.setattr("autograder.grading.judge.start_service", ends)
    judge = Judge(LEVEL)
    verdict = judge(EXERCISE, evidence(), SEED, POINTS)
    judge.close()
    assert verdict.outcome == "could not be graded"
    assert verdict.refusal == "The check could not be judged: the process that judges ended twice. Grade again."


def test_a_judge_ends_when_nobody_can_ask_it_any_more(own_judge: Any) -> None:
    judge, process = own_judge
    judge.close()
    process.wait(10)


def test_a_judge_inherits_one_socket_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SECRET", "31415")
    before = judge_processes()
    judge = Judge("none")  # without walls, so that one can look in
    with pytest.raises(NoEvidence):
        judge(EXERCISE, b"", SEED, POINTS)
    (process,) = (one for one in judge_processes() if one not in before)
    opened = [os.readlink(each.path) for each in os.scandir(f"/proc/{process.pid}/fd") if int(each.name) > 2]
    assert [name.partition(":")[0] for name in opened] == ["socket"]
    assert "31415" not in Path(f"/proc/{process.pid}/environ").read_text()
    judge.close()


def test_several_threads_may_ask_one_judge(own_judge: Any) -> None:
    judge, _ = own_judge
    bodies = [evidence(RIGHT), evidence(WRONG)] * 4
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda body: judge(EXERCISE, body, seed_of(EXERCISE), POINTS).outcome, bodies))
    assert outcomes == ["passed", "failed"] * 4


def test_a_judge_that_computes_past_python_s_reach_is_ended_by_the_system() -> None:
    """The exception for who judges too long reaches Python code only."""
    asked, end = socket.socketpair()
    if (child := os.fork()) == 0:
        asked.close()
        service.JUDGING_SECONDS, service._GRACE_SECONDS = 0.1, 1
        service.decide = lambda *arguments: sum(range(10**13))  # a loop in C, in which no signal handler runs
        service.judge_all(end)
        os._exit(0)
    end.close()
    with asked, pytest.raises(wire.LineError):
        wire.Line(asked).ask({"judge": EXERCISE, "seed": 1, "points": POINTS})
    assert os.waitpid(child, 0)[1] == signal.SIGXCPU
