"""Questions to answer before a result is shown.

Plain HTML that needs no script: each answer opens and says why. jupyterquiz, which would be the obvious choice, loads
MathJax from a CDN whenever the page's own is not ready yet, shows nothing without JavaScript, and writes other HTML on
every build.
"""

from __future__ import annotations

from IPython.display import HTML


def predict(question: str, answers: dict[str, tuple[bool, str]], *, columns: int = 1) -> HTML:
    """A multiple-choice question as the last value of a cell.

    `answers` maps each answer to (is it right, why); with several right ones the reader is to pick them all.
    HTML such as `<code>` is allowed in all three. `columns` is how many answers stand side by side on a wide screen.
    Raises ValueError when no answer is right or one lacks its explanation.
    """
    if not any(right for right, _ in answers.values()):
        raise ValueError(f"no right answer among those to {question!r}")
    if missing := [answer for answer, (_, why) in answers.items() if not why.strip()]:
        raise ValueError(f"say why for {missing[0]!r}: an answer without an explanation teaches nothing")
    options = "".join(
        f'<details class="answer answer-{"right" if right else "wrong"}"><summary>{answer}</summary>'
        f"<p>{'✓' if right else '✗'} {why}</p></details>"
        for answer, (right, why) in answers.items()
    )
    return HTML(
        f'<div class="question"><p class="question-text">{question}</p>'
        f'<div class="answers answers-{columns}">{options}</div></div>'
    )
