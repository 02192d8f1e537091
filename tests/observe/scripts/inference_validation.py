"""A recurrent model, validated under inference_mode inside the training loop, modes given back."""

import torch
import torch.nn.functional as F
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = nn.LSTM(8, 8, num_layers=2, dropout=0.2, batch_first=True)
        self.drops = nn.ModuleList([nn.Dropout(0.3)])
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(8, 4)

    def forward(self, tokens):
        hidden, _ = self.rnn(self.embed(tokens))
        for drop in self.drops:
            hidden = drop(hidden)
        mixed, _ = self.attention(hidden, hidden, hidden)
        return self.out(hidden + mixed)


def validate(model, batches):
    was = model.training
    logits = []
    try:
        model.eval()
        with torch.inference_mode():
            for x, _ in batches:
                logits.append(model(x))
    finally:
        model.train(was)
    targets = torch.cat([y for _, y in batches])
    return (torch.cat(logits).argmax(-1) == targets).float().mean().item()


torch.manual_seed(0)
model = Tagger()
optimizer = torch.optim.Adam(model.parameters())
batches = [(torch.randint(0, 20, (4, 7)), torch.randint(0, 4, (4, 7))) for _ in range(5)]
for step in range(6):
    x, y = batches[step % 3]
    optimizer.zero_grad(set_to_none=False)
    F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
    optimizer.step()
    if step % 3 == 2:
        print(validate(model, batches[3:]))
