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

_CH1 = "01-dropout"

ONE_BY_ONE = Section(1, _CH1, "one-by-one", "Each element on its own")
INVERTED_SCALING = Section(1, _CH1, "inverted-scaling", "Survivors make up for the dropped")
ENDS_OF_P = Section(1, _CH1, "ends-of-p", "The ends of p")
RANDOM_SOURCE = Section(1, _CH1, "random-source", "Where the mask comes from")
WHO_IGNORES_EVAL = Section(1, _CH1, "who-ignores-eval", "Who ignores eval")
MC_DROPOUT = Section(1, _CH1, "mc-dropout", "Dropout on, everything else off")

_CH2 = "02-batchnorm"

BATCH_OR_RUNNING = Section(2, _CH2, "batch-or-running", "Batch or running statistics")
TWO_VARIANCES = Section(2, _CH2, "two-variances", "Two variances")
BN_MOMENTUM = Section(2, _CH2, "bn-momentum", "What momentum means")
BN_BUFFERS = Section(2, _CH2, "bn-buffers", "Statistics are buffers")
BATCH_OF_ONE = Section(2, _CH2, "batch-of-one", "A batch of one")
RECALIBRATION = Section(2, _CH2, "recalibration", "Estimating the statistics anew")
AVERAGED_MODELS = Section(2, _CH2, "averaged-models", "Averaged models")

EVALUATION_MODE = Section(3, _CH3, "evaluation-mode", "What evaluation mode changes")
RESTORE_MODES = Section(3, _CH3, "restore-modes", "Leave the modes as you found them")
NO_GRAPH = Section(3, _CH3, "no-graph", "What no_grad saves")
INFERENCE_TENSORS = Section(3, _CH3, "inference-tensors", "Tensors born in inference mode")
PER_SAMPLE = Section(3, _CH3, "per-sample", "Averages per sample")
QUIET_VALIDATION = Section(3, _CH3, "quiet-validation", "Validation that changes training")
GRADIENTS_IN_EVAL = Section(3, _CH3, "gradients-in-eval", "Gradients in evaluation mode")

_CH4 = "04-gradient-mode"

TWO_PHASES = Section(4, _CH4, "two-phases", "One loop, two phases")
GIVING_BACK = Section(4, _CH4, "giving-back", "Giving the switch back")
DECORATORS = Section(4, _CH4, "decorators", "Decorators switch at the call")
GENERATORS = Section(4, _CH4, "generators", "Generators that hold a switch open")
LAYER_THAT_ASKS = Section(4, _CH4, "layer-that-asks", "A layer that asks the wrong switch")
PLAIN_ATTRIBUTES = Section(4, _CH4, "plain-attributes", "State that a module does not know")
REPEATABLE_RUNS = Section(4, _CH4, "repeatable-runs", "A run that repeats itself")
BEST_WEIGHTS = Section(4, _CH4, "best-weights", "Keeping the best weights")

_CH5 = "05-transfer"

WHAT_LEARNS = Section(5, _CH5, "what-learns", "What would learn")
FROZEN_YET_MOVING = Section(5, _CH5, "frozen-yet-moving", "Frozen, and yet it moves")
LASTING_FREEZE = Section(5, _CH5, "lasting-freeze", "A freeze that lasts")
DO_FROZEN_WEIGHTS_MOVE = Section(5, _CH5, "do-frozen-weights-move", "Do frozen weights move?")
FROZEN_FEATURES = Section(5, _CH5, "frozen-features", "A new head on frozen features")
UNFREEZING = Section(5, _CH5, "unfreezing", "Waking a part again")

_CH6 = "06-clinic"

EXAMINING = Section(6, _CH6, "examining-a-program", "Examining a program")
