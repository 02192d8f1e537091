# %% right | zero probability outside of training
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% right | softmax by hand, with a dropout module
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        n, length, dim = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / (dim // self.heads) ** 0.5).softmax(dim=-1)
        return self.out((self.drop(weights) @ v).transpose(1, 2).reshape(n, length, dim))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% right | the functional multi-head attention of the library, told the mode
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        x = x.transpose(0, 1)
        y, _ = F.multi_head_attention_forward(
            x, x, x, x.shape[-1], self.heads, self.qkv.weight, self.qkv.bias, None, None, False, self.p,
            self.out.weight, self.out.bias, training=self.training, need_weights=False,
        )
        return y.transpose(0, 1)


case_08 = ("dropout-in-eval", SelfAttention)

# %% right | multiplication by the flag
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p * self.training)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | functional-dropout-always-on | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_08 import SelfAttention

case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | functional-dropout-always-on | 2 points | a good repair, taken for a layer that is not registered
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("dropout-not-registered", SelfAttention)

# %% wrong | dropout-missing | 1 points | the dropout is taken out
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | wrong-result | 1 points | a dropout module on what comes out of attention
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = self.drop(F.scaled_dot_product_attention(q, k, v))
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | functional-dropout-always-on | 1 points | by hand, with the other function that is not told
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        attended = F.dropout(weights, self.p) @ v
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | grad-mode-as-mode-flag | 1 points | the grad mode is asked
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if torch.is_grad_enabled() else 0.0)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | own-training-flag | 1 points | an argument of its own decides
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, training=True):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if training else 0.0)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | keep-drop-swapped | 1 points | by hand, with the share to keep
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(1 - p)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        return self.out((self.drop(weights) @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | no-rescale | 1 points | by hand, survivors keep their size
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        if self.training:
            weights = weights * (torch.rand_like(weights) >= self.p)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | wrong-result | 1 points | by hand, without the square root
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.out((self.drop(weights) @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | wrong-result | 1 points | rewritten with the library's layer, and saved models no longer load
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout=p, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | dropout-missing | 1 points | the test of the flag is the wrong way round for training
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def eval(self):
        self.p = 0.0
        return super().eval()

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training and self.p > 0.5 else 0.0)
        return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% right | a mask by hand, and a way of its own for evaluation
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        if not self.training:
            return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        weights = weights * (torch.rand_like(weights) >= self.p) / (1 - self.p)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | wrong-result | 1 points | training divides by the root of the whole width, evaluation by that of a head
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        width = x.shape[-1] if self.training else q.shape[-1]
        weights = (q @ k.transpose(-2, -1) / width**0.5).softmax(dim=-1)
        weights = F.dropout(weights, self.p, self.training)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | shared-mask | 1 points | one mask for all heads
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        weights = weights * F.dropout(torch.ones_like(weights[:, :1]), self.p, self.training)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | wrong-result | 1 points | dropout overwrites what softmax needs for its gradient
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        weights = F.dropout(weights, self.p, self.training, inplace=True)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | grad-disabled-in-training | 1 points | no gradients in evaluation mode
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        with torch.set_grad_enabled(self.training):
            attended = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)
            return self.out(attended.transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)

# %% wrong | rescale-at-eval | 1 points | survivors keep their size, and evaluation shrinks the weights
class SelfAttention(nn.Module):
    def __init__(self, dim, heads, p=0.1):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1)
        weights = weights * (torch.rand_like(weights) >= self.p if self.training else 1 - self.p)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


case_08 = ("functional-dropout-always-on", SelfAttention)
