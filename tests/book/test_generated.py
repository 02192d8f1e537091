"""The pages that are made from data: every misconception has one, and the page on grading says what was measured."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from autograder.specs import REGISTRY

from .conftest import BOOK, ROOT, Built

sys.path.insert(0, str(BOOK))
from _lib import grading_page, misconception_pages, scale_page

RESULTS = ROOT / "bench" / "results"


def _changed(tmp_path: Path, name: str, change, page=grading_page.page) -> str:
    """A page, made from results one of which is another."""
    shutil.copytree(RESULTS, tmp_path, dirs_exist_ok=True)
    numbers = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    change(numbers)
    (tmp_path / f"{name}.json").write_text(json.dumps(numbers), encoding="utf-8")
    return page(tmp_path)


def test_every_misconception_has_a_page_and_the_list_links_to_it() -> None:
    pages = misconception_pages.pages(RESULTS)
    assert set(pages) == {"misconceptions.md", *(f"misconceptions/{id_}.md" for id_ in REGISTRY)}
    for id_, entry in REGISTRY.items():
        page = pages[f"misconceptions/{id_}.md"]
        assert f"](misconceptions/{id_}.md)" in pages["misconceptions.md"]
        assert f"# {entry.title}\n" in page
        assert all(part.strip() in page for part in (entry.belief, entry.happens, entry.repair, entry.demo))
        assert all(
            f"[{thread}](https://github.com/{thread.replace('#', '/issues/')})" in page for thread in entry.threads
        )


def test_a_misconception_is_named_by_what_has_it_at_stake_and_by_what_named_it(tmp_path: Path) -> None:
    row = {"exercise": "evaluation.evaluate", "verdicts": {"fixed-mask": 1}}
    (tmp_path / "corpora.json").write_text(json.dumps({"candidates": [row]}))
    named = misconception_pages.named_by(tmp_path)
    assert "evaluation.evaluate" in named["fixed-mask"]
    assert "evaluation.evaluate" in named["eval-never-called"]  # at stake
    assert "evaluation.evaluate" not in named["keep-drop-swapped"]


def test_the_page_on_grading_counts_what_went_wrong(tmp_path: Path) -> None:
    def pass_one(numbers) -> None:
        row = next(r for r in numbers["candidates"] if not r["right"])
        row["verdicts"] = {"passed": 3, "wrong-result": numbers["seeds"] - 3}
        row["misconception"] = "fixed-mask"
        numbers["total"]["wrongly passed"] = 3

    page = _changed(tmp_path, "corpora", pass_one)
    assert "| wrong solutions wrongly passed | 3 of " in page
    assert "(3 passed, 17 misnamed)" in page


def test_survivors_are_shown(tmp_path: Path) -> None:
    def survive(numbers) -> None:
        row = next(iter(numbers["exercises"].values()))
        row["survivors"] = [["some title", "drop a statement", "model.eval() => pass"]]

    page = _changed(tmp_path, "mutants", survive)
    assert "some title, drop a statement: ``model.eval() => pass``" in page


def test_missing_numbers_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"corpora\.json is missing\. Write it with: python bench/corpora\.py"):
        grading_page.page(tmp_path)


def test_a_percentage_is_100_only_where_all_are_meant() -> None:
    assert grading_page._share(9999, 10000) == "99.9 %"
    assert grading_page._share(10, 10) == "100 %"
    assert grading_page._share(0, 0) == "–"


def test_every_layer_of_the_sandbox_has_a_row_that_says_which_attack_it_stops(tmp_path: Path) -> None:
    from autograder.kernel import Layer

    assert set(scale_page._LAYERS) == set(Layer)
    attack = {"kind": "harm", "name": "an attack of this test", "success": "it is there"}

    def get_through(numbers) -> None:
        numbers["configurations"]["full without landlock"]["succeeded"] = [attack]
        numbers["configurations"]["full without seccomp"]["succeeded"] = []
        numbers["configurations"]["full"]["succeeded"] = [attack]

    page = _changed(tmp_path, "layers", get_through, scale_page.page)
    rows = {line.split(":")[0].strip("| "): line for line in page.splitlines() if line.startswith("| ")}
    assert "an attack of this test" in rows["landlock"]
    assert "no attack of the corpus" in rows["seccomp"]
    assert "| to change what is not theirs | 13 | 1 of 13 |" in page


def test_a_gradebook_that_differs_after_a_kill_is_counted(tmp_path: Path) -> None:
    def differ(numbers) -> None:
        numbers["kills"] = numbers["kills"][:10]
        numbers["kills"][0]["identical"] = False
        numbers["kills"][1]["processes_left"] = ["python"]

    page = _changed(tmp_path, "kills", differ, scale_page.page)
    assert "In 9 of 10 cases" in page
    assert "\n1 processes and no mounts were left behind." in page


def test_the_plan_multiplies_what_was_measured(tmp_path: Path) -> None:
    one = {"result_bytes": 10_000, "notebook_bytes": 10_000, "writer_seconds": 0.02}
    sets = {"ps0-switches": {**one, "gradebook_bytes": 4000}, "ps1-dropout": {**one, "gradebook_bytes": 6000}}

    shutil.copytree(RESULTS, tmp_path, dirs_exist_ok=True)
    plan = json.loads((tmp_path / "plan.json").read_text()) | {"problem_sets": sets}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    run = {"started_seconds": 4.0, "gradebook_seconds": 10.0, "gradebook_bytes": 3_000_000, "median_mib": 900}
    own = {"100": {"writer": 81, "workers": 117}, "1000": {"writer": 85, "workers": 125}, "900": {}}
    sizes = {"100": {**run, "seconds": 20.0, "peak_mib": 950, "own_mib": {}}}
    sizes["1000"] = {**run, "seconds": 1000.0, "peak_mib": 1050, "own_mib": own}
    floor = {"floor_seconds": 2.0, "floor_side_by_side_seconds": 2.5, "executed_seconds": 4.0}
    first = {**floor, "seconds": 9.0, "started_seconds": 4.0, "computing": {"writer": 0.6, "workers": 3, "kernels": 6}}
    second = {**floor, "seconds": 29.0, "started_seconds": 4.0, "executed_seconds": 50.0, "computing": {}}
    runs = {"command": "", "date": "", "versions": {"torch": ""}, "workers": 3, "cores": 2, "per_set": 21}
    first, second = first | {"rounds": [first | {"seconds": 8.0}, first]}, second | {"rounds": [second]}
    runs |= {"sets": {"ps0-switches": first, "ps1-dropout": second}, "sizes": sizes}
    (tmp_path / "scale.json").write_text(json.dumps(runs | {"fewer_workers_seconds": {"1": 30.0, "2": 21.0}}))
    page = scale_page.page(tmp_path)
    assert "with 3 worker processes" in page
    assert "In seconds, the run of 100 took 30.0 with 1 and 21.0 with 2." in page
    assert "the first result came after 4.0 seconds" in page
    assert "| 1,000 | 1000.0 | 1.000 | 0.010 | 3.0 | 900 | 1,050 |" in page
    assert "In the run of 1,000, the process that writes kept 81 MiB to itself after 100 submissions and 85 MiB" in page
    assert "the workers together kept 117 and 125." in page
    # the floor is that of 21 submissions, and 20 were graded after the first
    assert "| `ps0-switches` | 9.0 | 5.0 | 2.0 | 4.50 | 2.62 | 2.10\u00a0to\u00a02.62 |" in page
    assert "| `ps0-switches` | 5.0 | 2.5 | 2.10 | 4.0 | 1.25 |" in page
    assert "The ratios to nbclient alone lie between 0.50 and 1.25." in page
    assert "| `ps0-switches` | 190 | 300 | 150 | 30 |" in page
    assert "| `ps1-dropout` | 190 | not measured | not measured | not measured |" in page
    # 2 cores were there for 5 and 25 seconds, for 20 submissions after the first
    assert "100,000 × 3.00 s ÷ 3,600 = 83 hours of a core" in page
    assert "1,050 MiB at most with 3 workers" in page
    assert "3.00 ÷ 0.040 = 75 cores" in page
    assert "| 64 | 1.3 | 0.7 |" in page
    assert "| 256 | 1.1 | 0.6 |" in page  # the writer is the limit
    assert "100,000 × 10.0 kB = 1.0 GB" in page


def test_what_each_submission_more_takes_is_told_of_two_runs(tmp_path: Path) -> None:
    def two(numbers) -> None:
        numbers["runs"] = {"40": {"stock": 90.0, "ours": 8.0}, "240": {"stock": 490.0, "ours": 18.0}}

    page = _changed(tmp_path, "grading", two, scale_page.page)
    assert "| 40 | 90.0 | 8.0 | 11.2 |" in page
    assert "from the run of 40 to that of 240, each submission more took 2.00 seconds there and 0.050 here: 40" in page
    assert "each submission more" not in _changed(
        tmp_path, "grading", lambda numbers: numbers["runs"].pop("40"), scale_page.page
    )


def test_a_class_s_day_is_told_where_it_was_measured(tmp_path: Path) -> None:
    shutil.copytree(RESULTS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "class_day.json").unlink(missing_ok=True)
    assert "A class's day" not in scale_page.page(tmp_path)
    day = {"collect_s": 1.5, "grade_s": 1234.5, "report_s": 3.0, "export_csv_s": 1.0, "export_canvas_s": 1.25}
    day |= {"page_kib": 23, "page_opens_s": None}
    run = {"command": "python bench/class_day.py", "date": "", "versions": {"torch": ""}, "students": 400, "cores": 2}
    (tmp_path / "class_day.json").write_text(json.dumps(run | {"problem_sets": {"ps0-switches": day}}))
    page = scale_page.page(tmp_path)
    assert "handed in by 400 learners each." in page
    assert "| `autograder grade`, seconds | 1,234.5 |" in page
    assert "| until it has opened in Chromium, seconds | not measured |" in page
    assert "`python bench/class_day.py`" in page
    assert "class_day" not in grading_page.page(tmp_path)


@pytest.mark.slow
def test_the_built_book_has_the_pages(built: Built) -> None:
    assert {path.stem for path in (built.html / "misconceptions").glob("*.html")} == set(REGISTRY)
    assert "How good is the autograder?" in (built.html / "grading.html").read_text(encoding="utf-8")
    assert "Grading at scale" in (built.html / "grading-at-scale.html").read_text(encoding="utf-8")
