"""No hostile submission gets what it wants, and none costs a neighbour anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.grading.submission import grade_submission
from autograder.kernel import Layer, SandboxLevel, available_levels
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
    if attack.succeeds_at_reduced and LEVEL is SandboxLevel.REDUCED:
        assert achieved, "the corpus says that level reduced does not stop it"
    else:
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


@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.succeeds_at_reduced], ids=lambda attack: attack.name)
@pytest.mark.skipif(SandboxLevel.REDUCED not in available_levels(), reason="this machine does not have level reduced")
def test_what_level_reduced_does_not_stop_is_said_in_the_corpus(attack: Attack, place: World) -> None:
    graded, achieved = attempt(attack, place, "reduced")
    assert len(achieved) == 1, attack.success
    assert graded.points == 0


#: An attack that a layer alone keeps from success; bench/layers.py finds them all.
STOPPED_BY = {
    Layer.BUBBLEWRAP: "change the rights of a file",
    Layer.NAMESPACES: "see who else is here",
    Layer.LANDLOCK: "leave a note for the next submission",
    Layer.SECCOMP: "memory in nobody's account",
    Layer.RLIMITS: "many threads",
    Layer.WATCHDOG: "many processes",
}


@pytest.mark.parametrize("layer", Layer)
@pytest.mark.skipif(LEVEL is not SandboxLevel.FULL, reason="this machine does not have level full")
def test_each_layer_is_missed_by_an_attack_when_it_is_off(layer: Layer, tmp_path: Path) -> None:
    (attack,) = (attack for attack in ATTACKS if attack.name == STOPPED_BY[layer])
    with world(tmp_path) as alone:
        assert attempt(attack, alone, "full", {layer})[1], attack.success


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
