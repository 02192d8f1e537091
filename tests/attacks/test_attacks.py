"""No hostile submission gets what it wants, and none costs a neighbour anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from autograder.grading.submission import grade_submission
from autograder.kernel import SandboxLevel
from tests.attacks import LIMITS, Attack, World, attempt, load, world
from tests.conftest import LEVEL
from tests.grading.classes import RELEASE, as_bytes, ps0, right

ATTACKS = [attack for attack in load() if attack.kind != "copies"]
COPIES = [attack for attack in load() if attack.kind == "copies"]
RIGHT = as_bytes(ps0({exercise: right(exercise) for exercise in ("switches.live_modules", "switches.truth_table")}))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LEVEL is SandboxLevel.NONE, reason="this machine has no sandbox to put hostile code in"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.kind}: {attack.name}")
def test_an_attack_gains_nothing(attack: Attack, place: World) -> None:
    graded, achieved = attempt(attack, place, LEVEL)
    assert achieved == [], attack.success
    assert graded.sandbox == LEVEL
    assert not graded.problem
    for cell in graded.cells:
        assert cell.messages, "no points, and no reason"
    if attack.kind in ("harm", "starve"):
        after = grade_submission(RIGHT, RELEASE.read_bytes(), 1, sandbox=LEVEL, limits=LIMITS)
        assert after.outcome == "passed", after


@pytest.mark.parametrize("attack", COPIES, ids=lambda attack: attack.name)
def test_a_copy_by_other_means_earns_what_the_copied_solution_earns(attack: Attack, place: World) -> None:
    graded, achieved = attempt(attack, place, LEVEL)
    assert 0 < graded.points <= 3.0
    assert achieved == [f"{graded.points:g} points"]


def test_the_corpus_covers_every_kind() -> None:
    kinds = Counter(attack.kind for attack in ATTACKS)
    assert sum(kinds.values()) >= 30
    assert min(kinds.values()) >= 8
    assert len({(attack.kind, attack.name) for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.success for attack in ATTACKS)


def test_the_world_notices(place: World) -> None:
    """A right submission earns points, and an attacker who leaves the sandbox changes the world: both are seen."""
    graded = grade_submission(RIGHT, RELEASE.read_bytes(), 1, sandbox=LEVEL, limits=LIMITS)
    assert place.successes(graded, LIMITS) == ["7 points"]
    place.victim.write_text("gone")
    place.heard.append(b"canary-sent")
    try:
        achieved = place.successes(graded, LIMITS)
    finally:
        place.victim.write_text("grades")
        place.before = place._look()
    assert achieved[1:] == ["the listener heard b'canary-sent'", f"changed: {place.victim}"]
