"""Which PyTorch layers look at their ``training`` flag, and what they do with it.

Source: the classes' documentation and ``torch/nn/modules`` of the installed version; tests/observe checks each family
by running it.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.dropout import _DropoutNd

#: PyTorch's dropout family: Dropout, Dropout1d/2d/3d, AlphaDropout, FeatureAlphaDropout.
DROPOUT_FAMILY = _DropoutNd
#: PyTorch's BatchNorm family: BatchNorm1d/2d/3d, SyncBatchNorm and their lazy forms; InstanceNorm is not in it.
BATCHNORM_FAMILY = _BatchNorm


_LISTENERS = (DROPOUT_FAMILY, _NormBase, nn.RNNBase, nn.MultiheadAttention, nn.RReLU)


def can_hear_mode(module: nn.Module) -> bool:
    """Whether ``module`` is of a class that may listen; `hears_mode` says whether it does with its present options."""
    return isinstance(module, _LISTENERS)


def hears_mode(module: nn.Module) -> bool:
    """Whether ``module`` itself computes something else in training than in evaluation mode."""
    if isinstance(module, DROPOUT_FAMILY):
        return module.p > 0
    if isinstance(module, BATCHNORM_FAMILY):
        return True
    if isinstance(module, _NormBase):  # InstanceNorm listens only when it tracks statistics
        return module.track_running_stats
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    if isinstance(module, nn.MultiheadAttention):
        return module.dropout > 0
    return isinstance(module, nn.RReLU)


def mode_of(module: nn.Module) -> bool | None:
    """The module's flag; None where user code has deleted it, so that looking on does not raise."""
    return getattr(module, "training", None)


def is_live(module: nn.Module) -> bool:
    """Whether ``module`` would behave as in training if it were called now."""
    return bool(mode_of(module)) and hears_mode(module)
