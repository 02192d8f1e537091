"""The chapters' sources keep what the book promises."""

import ast
import re
from pathlib import Path

import pytest

from autograder.specs import _sections

from .conftest import BOOK, chapters
from .source import calls, cells, labels, prose, read

# Messages of the autograder send readers to these.
SECTIONS = [section for section in vars(_sections).values() if isinstance(section, _sections.Section)]

SWITCHES = {
    "train", "eval", "no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "requires_grad_",
}  # fmt: skip

# Digits that are names, not measurements.
NAMES = re.compile(r"ResNet-\d+|EfficientNet-\w+|PyTorch \d\.\d+|float\d+|int\d+")

pages = pytest.mark.parametrize("page", chapters(), ids=lambda page: page.stem)


@pages
def test_the_sections_that_messages_point_to_exist(page: Path) -> None:
    expected = {section.label: section.title for section in SECTIONS if section.page == page.stem}
    assert expected, "no message sends anybody here"
    found = labels(read(page))
    assert {label: found.get(label) for label in expected} == expected


def test_every_message_points_to_a_page_of_the_book() -> None:
    assert {section.page for section in SECTIONS} <= {page.stem for page in chapters()}


@pages
def test_numbers_in_the_text_come_from_cells(page: Path) -> None:
    typed = [line for line in prose(read(page)) if re.search(r"\d", NAMES.sub("", line))]
    assert not typed, "glue these numbers instead of typing them:\n" + "\n".join(typed)


@pages
def test_what_is_glued_is_used_and_what_is_used_is_glued(page: Path) -> None:
    text = read(page)
    used = {name.partition(":")[0] for name in re.findall(r"\{glue:text\}`([^`]+)`", text)}
    glued = {
        ast.literal_eval(node.args[0])
        for cell in cells(text)
        for node in ast.walk(ast.parse(cell.code))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "glue"
        if isinstance(node.args[0], ast.Constant)
    }
    assert glued <= used, f"glued and never used: {sorted(glued - used)}"


@pages
def test_no_switch_is_set_in_a_hidden_cell(page: Path) -> None:
    for cell in cells(read(page)):
        if cell.hidden:
            assert not calls(cell.code) & SWITCHES, cell.code


@pages
def test_a_legend_says_where(page: Path) -> None:
    # Told nothing, matplotlib looks for the best place as well, and warns when that takes a busy machine too long.
    for cell in cells(read(page)):
        for node in ast.walk(ast.parse(cell.code)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "legend":
                assert "loc" in {keyword.arg for keyword in node.keywords}, ast.unparse(node)


@pages
def test_a_question_stands_before_what_it_asks_about(page: Path) -> None:
    asked = [cell for cell in cells(read(page)) if "predict" in calls(cell.code)]
    assert len(asked) >= 2
    for cell in asked:
        assert cell.tags == ["remove-input"], "a question whose source shows gives its answer away"


@pages
def test_a_chapter_has_all_its_parts(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", read(page), flags=re.M)
    for part in ("The incident", "Common mistakes", "Exercises", "Summary", "Where to read more"):
        assert part in headings, part
    assert any("articles say" in heading for heading in headings) or "rule(" in read(page)


@pages
def test_one_sentence_per_line_and_no_shouting(page: Path) -> None:
    for line in prose(read(page)):
        if "|" in line or line.startswith("#"):
            continue
        line = re.sub(r"\([^()]*\)", "", line)
        assert "!" not in line.replace("![", ""), line
        assert not re.search(r"[a-z)][.?] [A-Z]", line), f"two sentences on one line: {line}"


def test_no_source_names_a_place_on_some_machine() -> None:
    for source in [*BOOK.glob("*.md"), *BOOK.glob("_lib/*.py"), BOOK.parent / "_config.yml"]:
        assert not re.search(r"/(root|home|work|tmp|Users)/", read(source)), source.name
