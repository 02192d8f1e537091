# %% right | two dropout attributes
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% right | functional dropout with self.training
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.dropout(F.relu(self.fc1(x)), self.p, training=self.training)
        x = F.dropout(F.relu(self.fc2(x)), self.p, training=self.training)
        return self.fc3(x)

# %% right | one Sequential
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(n_hidden, n_hidden), nn.ReLU(), nn.Dropout(p),
            nn.Linear(n_hidden, n_out),
        )

    def forward(self, x):
        return self.net(x)

# %% right | a Sequential subclass
class Classifier(nn.Sequential):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        layers = []
        for a, b in [(n_in, n_hidden), (n_hidden, n_hidden)]:
            layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(p)]
        super().__init__(*layers, nn.Linear(n_hidden, n_out))

# %% right | ModuleLists
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)])
        self.dropouts = nn.ModuleList(nn.Dropout(p) for _ in range(2))
        self.out = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        for linear, dropout in zip(self.linears, self.dropouts):
            x = dropout(linear(x).clamp(min=0))
        return self.out(x)

# %% right | one dropout layer used twice
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.first, self.second = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_hidden)
        self.third = nn.Linear(n_hidden, n_out)
        self.act = nn.Sequential(nn.ReLU(), nn.Dropout(p))

    def forward(self, x):
        return self.third(self.act(self.second(self.act(self.first(x)))))

# %% right | own masks in one helper
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.keep = 1 - p
        self.add_module("a", nn.Linear(n_in, n_hidden))
        self.add_module("b", nn.Linear(n_hidden, n_hidden))
        self.add_module("c", nn.Linear(n_hidden, n_out))

    def drop(self, h):
        if not self.training or self.keep == 1:
            return h
        mask = torch.bernoulli(torch.full_like(h, self.keep))
        return h * mask / self.keep if self.keep > 0 else h * 0

    def forward(self, x):
        for layer in (self.a, self.b):
            x = self.drop(torch.relu(layer(x)))
        return self.c(x)

# %% wrong | functional-dropout-always-on | 2 points | the functional dropout never hears of the mode
# B1. One of two repaired.
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.dropout(F.relu(self.fc1(x)), self.p)
        x = F.dropout(F.relu(self.fc2(x)), self.p, training=self.training)
        return self.fc3(x)

# %% wrong | functional-dropout-always-on | 0 points | both functional dropouts without the mode
# B1
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.dropout(F.relu(self.fc1(x)), self.p)
        x = F.dropout(F.relu(self.fc2(x)), self.p)
        return self.fc3(x)

# %% wrong | functional-dropout-always-on | 0 points | training=True written in
# B1
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.dropout(F.relu(self.fc1(x)), self.p, training=True)
        x = F.dropout(F.relu(self.fc2(x)), self.p, training=True)
        return self.fc3(x)

# %% wrong | dropout-not-registered | 0 points | the dropouts stay in a plain list
# A15
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.dropouts = [nn.Dropout(p), nn.Dropout(p)]

    def forward(self, x):
        x = self.dropouts[0](F.relu(self.fc1(x)))
        x = self.dropouts[1](F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | dropout-not-registered | 2 points | one of the two is in a dict
# A15
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.extra = {"drop2": nn.Dropout(p)}

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.extra["drop2"](F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | dropout-not-registered | 0 points | a new layer in every forward
# A16
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = nn.Dropout(self.p)(F.relu(self.fc1(x)))
        x = nn.Dropout(self.p)(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | own-training-flag | 0 points | a flag of its own
# A17
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.is_training = True
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.dropout(F.relu(self.fc1(x)), self.p, training=self.is_training)
        x = F.dropout(F.relu(self.fc2(x)), self.p, training=self.is_training)
        return self.fc3(x)

# %% wrong | grad-mode-as-mode-flag | 0 points | drops while gradients are on
# D8
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.dropout(F.relu(self.fc1(x)), self.p, training=torch.is_grad_enabled())
        x = F.dropout(F.relu(self.fc2(x)), self.p, training=torch.is_grad_enabled())
        return self.fc3(x)

# %% wrong | train-override-broken | 0 points | train() that stops at the root
# A25
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

    def train(self, mode=True):
        self.training = mode
        return self

# %% wrong | train-override-broken | 2 points | eval() reaches the children, train() does not come back
# A25
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

    def train(self, mode=True):
        self.training = mode
        if not mode:
            self.drop1.eval()
            self.drop2.eval()
        return self

# %% wrong | dropout-missing | 2 points | the dropouts are gone
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

# %% wrong | dropout-missing | 2 points | only the first dropout
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

# %% wrong | dropout-missing | 2 points | both dropouts disarmed with p=0
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(0.0)
        self.drop2 = nn.Dropout(0.0)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | keep-drop-swapped | 2 points | passes the keep probability to nn.Dropout
# B4
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(1 - p)
        self.drop2 = nn.Dropout(1 - p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | wrong-result | 2 points | forgets to pass p on
# B9
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout()
        self.drop2 = nn.Dropout()

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | wrong-result | 2 points | dropout on the logits as well
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.drop2(self.fc3(x))

# %% wrong | wrong-result | 2 points | no activation between the layers
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(self.fc1(x))
        x = self.drop2(self.fc2(x))
        return self.fc3(x)

# %% wrong | wrong-result | 2 points | dropout on the inputs instead of the first activation
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = F.relu(self.fc1(self.drop1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | wrong-result | 0 points | stub left in place
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()

    def forward(self, x):
        raise NotImplementedError("Classifier is not repaired yet")

# %% right | parameters by hand, inputs on the left
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        sizes = [(n_in, n_hidden), (n_hidden, n_hidden), (n_hidden, n_out)]
        self.weights = nn.ParameterList([torch.randn(s) / s[0] ** 0.5 for s in sizes])
        self.biases = nn.ParameterList([torch.zeros(s[1]) for s in sizes])
        self.drop = nn.Dropout(p)

    def forward(self, x):
        for w, b in list(zip(self.weights, self.biases))[:2]:
            x = self.drop((x @ w + b).clamp(min=0))
        return x @ self.weights[2] + self.biases[2]

# %% right | dropouts put in by hooks
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.out = nn.Linear(n_hidden, n_out)
        self.second = nn.Linear(n_hidden, n_hidden)
        self.first = nn.Linear(n_in, n_hidden)
        for layer in (self.first, self.second):
            layer.register_forward_hook(lambda m, args, y: F.dropout(y.relu(), p, m.training))

    def forward(self, x):
        return self.out(self.second(self.first(x)))

# %% wrong | shared-mask | 2 points | one mask for all samples
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def drop(self, x):
        if not self.training:
            return x
        return x * (torch.rand(x.shape[1]) >= self.p) / (1 - self.p)

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc3(self.drop(F.relu(self.fc2(x))))

# %% wrong | no-rescale | 2 points | masks without a factor
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def drop(self, x):
        return x * (torch.rand_like(x) >= self.p) if self.training else x

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc3(self.drop(F.relu(self.fc2(x))))

# %% wrong | grad-disabled-in-training | 2 points | the first layer runs without gradients
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        with torch.no_grad():
            x = self.drop(F.relu(self.fc1(x)))
        return self.fc3(self.drop(F.relu(self.fc2(x))))

# %% wrong | functional-dropout-always-on | 0 points | the class as it was given
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.first = nn.Linear(n_in, n_hidden)
        self.second = nn.Linear(n_hidden, n_hidden)
        self.third = nn.Linear(n_hidden, n_out)
        self.p = p
        self.dropouts = [nn.Dropout(p)]

    def forward(self, x):
        x = F.dropout(F.relu(self.first(x)), self.p)
        x = self.dropouts[0](F.relu(self.second(x)))
        return self.third(x)

# %% right | a plain list that train() takes along
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.dropouts = [nn.Dropout(p), nn.Dropout(p)]

    def train(self, mode=True):
        super().train(mode)
        for dropout in self.dropouts:
            dropout.train(mode)
        return self

    def forward(self, x):
        x = self.dropouts[0](F.relu(self.fc1(x)))
        x = self.dropouts[1](F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | train-override-broken | a train() that takes the list along and returns nothing
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.dropouts = [nn.Dropout(p), nn.Dropout(p)]

    def train(self, mode=True):
        super().train(mode)
        for dropout in self.dropouts:
            dropout.train(mode)

    def forward(self, x):
        x = self.dropouts[0](F.relu(self.fc1(x)))
        x = self.dropouts[1](F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | shared-mask | whole samples are dropped after the first activation
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout1d(p)
        self.drop2 = nn.Dropout(p)

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)

# %% wrong | fixed-mask | a seed of its own for the first dropout
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        if self.training:
            keep = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= self.p
            x = x * keep / (1 - self.p)
        x = F.dropout(F.relu(self.fc2(x)), self.p, training=self.training)
        return self.fc3(x)

# %% wrong | shared-mask | one mask for both activations
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop = nn.Dropout(p)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        mask = self.drop(torch.ones_like(x))
        return self.fc3(F.relu(self.fc2(x * mask)) * mask)

# %% wrong | dropout-missing | dropouts that sleep until train() is called
class Classifier(nn.Module):
    def __init__(self, n_in=20, n_hidden=64, n_out=3, p=0.5):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, n_out)
        self.drop1 = nn.Dropout(p).eval()
        self.drop2 = nn.Dropout(p).eval()

    def forward(self, x):
        x = self.drop1(F.relu(self.fc1(x)))
        x = self.drop2(F.relu(self.fc2(x)))
        return self.fc3(x)
