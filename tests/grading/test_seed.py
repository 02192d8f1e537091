"""The secret seed: made once, kept private, never guessed at."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autograder.grading.seed import VARIABLE, course_seed, use_course_seed


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


def test_kernels_get_it_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    use_course_seed(tmp_path / "seed", assignment="ps0-switches", student="sample", notebooks=[])
    assert os.environ[VARIABLE] == str(course_seed(tmp_path / "seed"))
