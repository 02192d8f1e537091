"""The secret seed: made once, kept private, never guessed at."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder.grading.seed import case_seed, course_seed


def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / ".grading-seed"
    first = course_seed(path)
    assert course_seed(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [".grading-seed"]


def test_two_courses_have_two_seeds(tmp_path: Path) -> None:
    assert course_seed(tmp_path / "a") != course_seed(tmp_path / "b")


def test_graders_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(course_seed, [tmp_path / "seed"] * 32))) == 1


@pytest.mark.parametrize("text", ["", "twelve", "-3", "1 2"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".grading-seed"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\.grading-seed should hold one whole number.*Restore it .*, or delete it"):
        course_seed(path)


def test_the_same_work_meets_the_same_cases_and_nothing_else_does() -> None:
    seeds = {(c, w, e): case_seed(c, w, e) for c in (1, 2) for w in ("a", "b") for e in ("x.y", "x.z")}
    assert seeds[1, "a", "x.y"] == case_seed(1, "a", "x.y")
    assert len(set(seeds.values())) == len(seeds) == 8
    assert all(0 <= seed < 2**48 for seed in seeds.values())


def test_work_and_exercise_cannot_be_shifted_into_each_other() -> None:
    assert case_seed(1, "ab", "c") != case_seed(1, "a", "bc")
