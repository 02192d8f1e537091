import torch
from torch import nn


class MultiTask(nn.Module):
    """One encoder for several tasks; each task has a linear head of its own,
    with dropout before it.

    `sizes` are the output sizes of the tasks. `model(x, task)` maps (N, n_in)
    to (N, sizes[task]): dropout with probability p on the features in training
    mode, and no dropout in evaluation mode. Saved models must still load: the
    state_dict has the keys encoder.*, heads.0.*, heads.1.* and so on.
    """

    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = [nn.Dropout(p) for _ in sizes]
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))
