"""The course on nbgrader: what `check` said in a notebook becomes a grade, a comment and a row of a table.

Everything here plugs into nbgrader where nbgrader offers a plug: preprocessors, hooks and exporters, named in
`nbgrader_config.py`. Instructors need it, learners do not.
"""
