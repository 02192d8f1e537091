import torch.nn.functional as F
from torch import nn


class SelfAttention(nn.Module):
    """Self-attention over sequences: (N, L, dim) to (N, L, dim), with `heads`
    heads; no mask.

    In training mode the attention weights, after their softmax, are dropped
    with probability p (and the survivors scaled by 1 / (1 - p)); in evaluation
    mode nothing is dropped. Saved models must still load: the state_dict has
    the keys qkv.* and out.*.
    """

    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        parts = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p)
        return self.out(attended.transpose(1, 2).flatten(2))
