"""Sections of the book that messages send a learner to.  tests/book checks that each exists under this title."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the book: its chapter's number, its page (without suffix), its label, its heading."""

    chapter: int
    page: str
    label: str
    title: str

    def __str__(self) -> str:
        return f"chapter {self.chapter}, “{self.title}”"


_CH0, _CH3 = "00-two-switches", "03-evaluation"

TRUTH_TABLE = Section(0, _CH0, "truth-table", "The truth table")
WHO_LISTENS = Section(0, _CH0, "who-listens", "Who listens to the mode")
FOUR_PLACES = Section(0, _CH0, "four-places", "Four places to look")
EVALUATION_MODE = Section(3, _CH3, "evaluation-mode", "What evaluation mode changes")
RESTORE_MODES = Section(3, _CH3, "restore-modes", "Leave the modes as you found them")
NO_GRAPH = Section(3, _CH3, "no-graph", "What no_grad saves")
INFERENCE_TENSORS = Section(3, _CH3, "inference-tensors", "Tensors born in inference mode")
PER_SAMPLE = Section(3, _CH3, "per-sample", "Averages per sample")
QUIET_VALIDATION = Section(3, _CH3, "quiet-validation", "Validation that changes training")
GRADIENTS_IN_EVAL = Section(3, _CH3, "gradients-in-eval", "Gradients in evaluation mode")
