"""A master cell may choose the stub it is released with."""

from __future__ import annotations

from nbformat.v4 import new_code_cell

from autograder.grading.stubs import ClearSolutionsToStubs


def released(source: str) -> str:
    settings = {"grade": False, "solution": True, "locked": False, "grade_id": "a-solution", "schema_version": 3}
    cell = new_code_cell(source, metadata={"nbgrader": settings})
    clear = ClearSolutionsToStubs(code_stub={"python": "raise NotImplementedError"})
    clear.preprocess_cell(cell, {"language": "python"}, 0)
    return cell.source


def test_the_usual_stub() -> None:
    source = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    assert released(source) == "def f():\n    raise NotImplementedError"


def test_a_stub_of_its_own_keeps_its_indentation() -> None:
    stub = '    ### STUB "a": {\n    ### STUB     "b": None,\n    ### STUB },\n'
    source = f't = {{\n    ### BEGIN SOLUTION\n{stub}    "a": 1\n    ### END SOLUTION\n}}'
    assert released(source) == 't = {\n    "a": {\n        "b": None,\n    },\n}'


def test_one_cell_s_stub_is_not_the_next_one_s() -> None:
    test_a_stub_of_its_own_keeps_its_indentation()
    test_the_usual_stub()
