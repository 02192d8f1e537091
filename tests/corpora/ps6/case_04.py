# %% right | the list becomes a ModuleList
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = nn.ModuleList([nn.Dropout(p) for _ in sizes])
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% right | one dropout for all tasks: it has no memory
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.drop = nn.Dropout(p)
        self.heads = nn.ModuleList(nn.Linear(n_hidden, size) for size in sizes)

    def forward(self, x, task):
        return self.heads[task](self.drop(self.encoder(x).tanh()))


case_04 = ("dropout-not-registered", MultiTask)

# %% right | the function, told the mode
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = F.dropout(torch.tanh(self.encoder(x)), self.p, training=self.training)
        return self.heads[task](features)


case_04 = ("dropout-not-registered", MultiTask)

# %% right | the list stays, and train() takes it along
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = [nn.Dropout(p) for _ in sizes]
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def train(self, mode=True):
        for dropout in self.dropouts:
            dropout.train(mode)
        return super().train(mode)

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% right | a subclass of the program registers what was hidden
from autograder.specs._clinic.case_04 import MultiTask


class Repaired(MultiTask):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__(n_in, n_hidden, sizes, p)
        for i, dropout in enumerate(self.dropouts):
            self.add_module(f"dropout{i}", dropout)


case_04 = {"id": "dropout-not-registered", "function": Repaired}

# %% wrong | dropout-not-registered | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_04 import MultiTask

case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | dropout-not-registered | 2 points | a good repair, taken for a flag set on the root alone
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = nn.ModuleList([nn.Dropout(p) for _ in sizes])
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("root-flag-only", MultiTask)

# %% wrong | functional-dropout-always-on | 1 points | the function, not told the mode
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = F.dropout(torch.tanh(self.encoder(x)), self.p)
        return self.heads[task](features)


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | dropout-not-registered | 1 points | a dict instead of a list
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = {task: nn.Dropout(p) for task in range(len(sizes))}
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | dropout-not-registered | 1 points | a new layer in each forward
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](nn.Dropout(self.p)(features))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | dropout-missing | 1 points | cured by taking the dropout out
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        return self.heads[task](torch.tanh(self.encoder(x)))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | dropout-missing | 1 points | dropouts in evaluation mode for good
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = [nn.Dropout(p).eval() for _ in sizes]
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | wrong-result | 1 points | dropout moved behind the head
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = nn.ModuleList([nn.Dropout(p) for _ in sizes])
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.dropouts[task](self.heads[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | wrong-result | 1 points | saved models no longer load
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Sequential(nn.Dropout(p), nn.Linear(n_hidden, size)) for size in sizes])

    def forward(self, x, task):
        return self.heads[task](torch.tanh(self.encoder(x)))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | own-training-flag | 1 points | a flag of its own
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p, self.is_training = p, True
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = F.dropout(torch.tanh(self.encoder(x)), self.p, training=self.is_training)
        return self.heads[task](features)


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | grad-mode-as-mode-flag | 1 points | the grad mode is asked for the mode
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = F.dropout(torch.tanh(self.encoder(x)), self.p, training=torch.is_grad_enabled())
        return self.heads[task](features)


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | keep-drop-swapped | 1 points | p as the share to keep
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.drop = nn.Dropout(1 - p)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        return self.heads[task](self.drop(torch.tanh(self.encoder(x))))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | train-override-broken | 1 points | takes the list along, and train() without an argument means evaluation
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = [nn.Dropout(p) for _ in sizes]
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def train(self, mode=False):
        for dropout in self.dropouts:
            dropout.train(mode)
        return super().train(mode)

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | train-override-broken | 1 points | train() takes the list along and forgets the module itself
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.encoder = nn.Linear(n_in, n_hidden)
        self.dropouts = [nn.Dropout(p) for _ in sizes]
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def train(self, mode=True):
        for dropout in self.dropouts:
            dropout.train(mode)

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](self.dropouts[task](features))


case_04 = ("dropout-not-registered", MultiTask)

# %% right | dropout overwrites a copy of the features
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](F.dropout(features.clone(), self.p, self.training, inplace=True))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | wrong-result | 1 points | dropout overwrites what tanh needs for its gradient
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](F.dropout(features, self.p, self.training, inplace=True))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | grad-disabled-in-training | 1 points | the encoder is cut off
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](F.dropout(features.detach(), self.p, self.training))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | dropout-missing | 1 points | one task does without
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        return self.heads[task](F.dropout(features, self.p, self.training and task != 1))


case_04 = ("dropout-not-registered", MultiTask)

# %% wrong | rescale-at-eval | 1 points | evaluation shrinks the features
class MultiTask(nn.Module):
    def __init__(self, n_in, n_hidden, sizes, p=0.1):
        super().__init__()
        self.p = p
        self.encoder = nn.Linear(n_in, n_hidden)
        self.heads = nn.ModuleList([nn.Linear(n_hidden, size) for size in sizes])

    def forward(self, x, task):
        features = torch.tanh(self.encoder(x))
        features = features * (torch.rand_like(features) >= self.p if self.training else 1 - self.p)
        return self.heads[task](features)


case_04 = ("dropout-not-registered", MultiTask)
