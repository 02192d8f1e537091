"""The parser of percent cells: what it reads, and what it says about a file it cannot read."""

import traceback

import pytest

from tests import corpora

ID = "evaluation.evaluate"
CODE = "def evaluate():\n    return 1\n"


def test_the_fields_of_a_header_and_the_line_it_stands_on():
    headers = ["# %% right | good", "# %% wrong | no-eval | 2 points | bad", "# %% wrong | no-eval | ugly"]
    text = "# a note\n\n" + "\n".join(f"{header}\n{CODE}" for header in headers)
    good, bad, ugly = corpora.parse(ID, text)
    assert (good.right, good.misconception, good.points, good.title, good.line) == (True, None, None, "good", 3)
    assert (bad.right, bad.misconception, bad.points, bad.title, bad.line) == (False, "no-eval", 2, "bad", 7)
    assert (ugly.points, ugly.title, ugly.source) == (None, "ugly", CODE)


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        (f"# %% maybe | title\n{CODE}", 1, "neither right nor wrong but 'maybe'"),
        (f"# %% right |\n{CODE}", 1, "no title"),
        (f"# %% right\n{CODE}", 1, "no title"),
        (f"# %% wrong | Not An Id | title\n{CODE}", 1, "no misconception id"),
        (f"# %% wrong | some-id\n{CODE}", 1, "no title"),
        (f"# %% wrong | some-id | 3 marks | title\n{CODE}", 1, "2 fields where the title alone should be"),
        (f"# %% right | a\n{CODE}# %% right | a\n{CODE}", 4, "a second candidate is called 'a'"),
        (f"# %% right | a\n\n{CODE}", 2, "blank line after a header"),
        ("# %% right | a\n# %% right | b\n", 1, "has no code"),
        (f"import os\n# %% right | a\n{CODE}", 1, "code before the first header"),
    ],
)
def test_a_malformed_file_is_named_with_line_and_cause(text, line, cause):
    with pytest.raises(ValueError, match=r"evaluate\.py") as error:
        corpora.parse(ID, text)
    assert f"evaluate.py:{line}: " in str(error.value)
    assert cause in str(error.value)


@pytest.mark.parametrize("exercise_id", ["evaluate", "evalution.evaluate", "evaluation.", "evaluation.../x"])
def test_an_unknown_id_says_how_ids_look(exercise_id):
    with pytest.raises(ValueError, match=r"Write `topic\.name`"):
        corpora.load(exercise_id)


def test_an_exercise_without_a_corpus():
    with pytest.raises(FileNotFoundError, match=r"has no corpus\. Write one"):
        corpora.load("evaluation.nothing")


def test_a_candidate_must_define_the_name_of_its_exercise():
    (candidate,) = corpora.parse(ID, "# %% right | other name\ndef evaluated():\n    pass\n")
    with pytest.raises(NameError, match="'other name' defines no `evaluate`"):
        candidate.build()


def test_a_traceback_shows_the_line_of_the_corpus_file():
    candidate = next(c for c in corpora.load(ID) if "NotImplementedError" in c.source)
    with pytest.raises(NotImplementedError) as error:
        candidate.build()(None, [], None)
    frame = traceback.extract_tb(error.value.__traceback__)[-1]
    assert frame.filename == str(corpora.file_of(ID))
    assert "raise NotImplementedError" in frame.line
