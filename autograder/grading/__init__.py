"""The course on nbgrader: what `check` said in a notebook becomes a grade, a comment and a row of a table.

Everything here plugs into nbgrader where nbgrader offers a plug: preprocessors, hooks and exporters, named in
`nbgrader_config.py`. Instructors need it, learners do not.
"""

import importlib
import sys

# jsonschema imports this one for a format of addresses that no notebook has, and it builds a grammar for a second.
_absent = "rfc3987_syntax" not in sys.modules
if _absent:
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
importlib.import_module("jsonschema")
if _absent:
    del sys.modules["rfc3987_syntax"]
