# %% right | written out by hand
truth_table = {
    ("train", "grad"): {"dropout_drops": True, "bn_normalises_with": "batch", "bn_updates_buffers": True, "builds_graph": True},
    ("train", "no_grad"): {"dropout_drops": True, "bn_normalises_with": "batch", "bn_updates_buffers": True, "builds_graph": False},
    ("train", "inference"): {"dropout_drops": True, "bn_normalises_with": "batch", "bn_updates_buffers": True, "builds_graph": False},
    ("eval", "grad"): {"dropout_drops": False, "bn_normalises_with": "running", "bn_updates_buffers": False, "builds_graph": True},
    ("eval", "no_grad"): {"dropout_drops": False, "bn_normalises_with": "running", "bn_updates_buffers": False, "builds_graph": False},
    ("eval", "inference"): {"dropout_drops": False, "bn_normalises_with": "running", "bn_updates_buffers": False, "builds_graph": False},
}

# %% right | comprehension over both switches
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% right | measured on a small model
def measure(mode, context):
    with torch.random.fork_rng(devices=[]):
        linear, drop, norm = nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3)
        for layer in (linear, drop, norm):
            layer.train(mode == "train")
        with context():
            x = torch.randn(64, 3) * 2 + 5
            return {
                "dropout_drops": bool((drop(torch.ones(1000)) == 0).any()),
                "bn_normalises_with": "batch" if norm(x).mean().abs() < 0.1 else "running",
                "bn_updates_buffers": norm.num_batches_tracked.item() == 1,
                "builds_graph": linear(x).requires_grad,
            }


contexts = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}
truth_table = {(mode, grad): measure(mode, contexts[grad]) for mode in ("train", "eval") for grad in contexts}

# %% right | layer rows merged with graph rows
from collections import OrderedDict

layers = {
    "train": dict(dropout_drops=True, bn_normalises_with="batch", bn_updates_buffers=True),
    "eval": dict(dropout_drops=False, bn_normalises_with="running", bn_updates_buffers=False),
}
graph = {"grad": True, "no_grad": False, "inference": False}
truth_table = OrderedDict()
for g in graph:
    for m in layers:
        truth_table[(m, g)] = {**layers[m], "builds_graph": graph[g]}

# %% right | zip and product, fields in another order
import itertools

fields = ("builds_graph", "bn_updates_buffers", "dropout_drops", "bn_normalises_with")
rows = [
    (True, True, True, "batch"),
    (False, True, True, "batch"),
    (False, True, True, "batch"),
    (True, False, False, "running"),
    (False, False, False, "running"),
    (False, False, False, "running"),
]
keys = itertools.product(["train", "eval"], ["grad", "no_grad", "inference"])
truth_table = {key: dict(zip(fields, row)) for key, row in zip(keys, rows)}

# %% right | a dict subclass built by a function
class Table(dict):
    def add(self, mode, grad):
        training = mode == "train"
        self[mode, grad] = {
            "dropout_drops": training,
            "bn_normalises_with": ["running", "batch"][training],
            "bn_updates_buffers": training,
            "builds_graph": grad == "grad",
        }
        return self


truth_table = Table()
for pair in [("eval", "inference"), ("eval", "no_grad"), ("eval", "grad"), ("train", "inference"), ("train", "no_grad"), ("train", "grad")]:
    truth_table.add(*pair)

# %% wrong | graph-built | 3.33 points | eval builds no graph
# A2
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": mode == "train" and grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | grad-mode-as-mode-flag | 2.67 points | no_grad and inference mode act like eval
# A4, A5
def row(mode, grad):
    training = mode == "train" and grad == "grad"
    return {
        "dropout_drops": training,
        "bn_normalises_with": "batch" if training else "running",
        "bn_updates_buffers": training,
        "builds_graph": grad == "grad",
    }


truth_table = {(m, g): row(m, g) for m in ("train", "eval") for g in ("grad", "no_grad", "inference")}

# %% wrong | grad-mode-as-mode-flag | 2.67 points | dropout is off under no_grad
# A4
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train" and grad == "grad",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | grad-mode-as-mode-flag | 2.67 points | buffers stand still without gradients
# C6
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train" and grad == "grad",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | dropout-in-eval | 2 points | dropout drops whatever the mode
# B1
truth_table = {
    (mode, grad): {
        "dropout_drops": True,
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | batch-stats-in-eval | 2 points | BatchNorm always normalises with the batch
# C12
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | running-stats-in-train | 2 points | BatchNorm always normalises with the running statistics
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | stats-updated-in-eval | 2 points | every forward pass updates the buffers
# C27
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": True,
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | stats-not-updated | 2 points | only the optimizer changes a model
# C5
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": False,
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | dropout-missing | 2 points | dropout never drops
truth_table = {
    (mode, grad): {
        "dropout_drops": False,
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | wrong-result | 0 points | every answer still None
truth_table = {
    (mode, grad): {"dropout_drops": None, "bn_normalises_with": None, "bn_updates_buffers": None, "builds_graph": None}
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | wrong-result | 0 points | an empty dict
truth_table = {}

# %% wrong | wrong-result | 0 points | a function instead of a dict
def truth_table(mode, grad):
    training = mode == "train"
    return {
        "dropout_drops": training,
        "bn_normalises_with": "batch" if training else "running",
        "bn_updates_buffers": training,
        "builds_graph": grad == "grad",
    }

# %% wrong | wrong-result | 0 points | answers as words instead of booleans
truth_table = {
    (mode, grad): {
        "dropout_drops": "yes" if mode == "train" else "no",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": "yes" if mode == "train" else "no",
        "builds_graph": "yes" if grad == "grad" else "no",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | wrong-result | 2 points | only the three rows of training mode
truth_table = {
    ("train", grad): {"dropout_drops": True, "bn_normalises_with": "batch", "bn_updates_buffers": True, "builds_graph": grad == "grad"}
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | wrong-result | numpy's own truth values
import numpy as np

truth_table = {
    (mode, grad): {
        "dropout_drops": np.bool_(mode == "train"),
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% wrong | wrong-result | words that begin with a capital
truth_table = {
    (mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "Batch" if mode == "train" else "Running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}

# %% right | keys of a named tuple
from collections import namedtuple

Setting = namedtuple("Setting", "mode grad")
truth_table = {
    Setting(mode, grad): {
        "dropout_drops": mode == "train",
        "bn_normalises_with": "batch" if mode == "train" else "running",
        "bn_updates_buffers": mode == "train",
        "builds_graph": grad == "grad",
    }
    for mode in ("train", "eval")
    for grad in ("grad", "no_grad", "inference")
}
