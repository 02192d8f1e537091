"""Questions and tables: what a cell gives is what a reader without JavaScript gets."""

import xml.etree.ElementTree as ET

import pytest

from . import conftest  # noqa: F401  (puts book/ on the path)

from _lib.quiz import predict  # isort: skip
from _lib.tables import table  # isort: skip


def test_a_question_holds_every_answer_and_its_reason() -> None:
    shown = predict("Which <code>x</code>?", {"this": (True, "Because."), "that": (False, "It is not.")}, columns=2)
    root = ET.fromstring(shown.data)
    answers = root.findall(".//details")
    assert [a.find("summary").text for a in answers] == ["this", "that"]
    assert [a.find("p").text for a in answers] == ["✓ Because.", "✗ It is not."]
    assert "<script" not in shown.data


def test_questions_without_a_right_answer_or_a_reason_are_refused() -> None:
    with pytest.raises(ValueError, match="no right answer among those to 'Which"):
        predict("Which?", {"this": (False, "no")})
    with pytest.raises(ValueError, match="say why for 'that'"):
        predict("Which?", {"this": (True, "yes"), "that": (False, " ")})


def test_a_table_reads_yes_and_no() -> None:
    assert table(["a", "b"], [["x", True], [1, False]]).data == "| a | b |\n| --- | --- |\n| x | yes |\n| 1 | no |"
    with pytest.raises(ValueError, match=r"row \['x'\] has 1 cells, the table 2 columns"):
        table(["a", "b"], [["x"]])
