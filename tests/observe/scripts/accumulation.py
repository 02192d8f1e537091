"""Gradients of four small batches make one step; an average of the weights is evaluated."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = torch.tanh(self.a(x))
        x = F.dropout(x, 0.2, self.training)
        return self.b(x)


torch.manual_seed(0)
model = Net()
ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
every = 4
for i in range(16):
    x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))
    loss = F.cross_entropy(model(x), y) / every
    loss.backward()
    if (i + 1) % every:
        continue
    optimizer.step()
    optimizer.zero_grad()
    ema.update_parameters(model)

ema.eval()
with torch.no_grad():
    print(ema(torch.randn(5, 4)).softmax(1))
