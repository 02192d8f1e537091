# %% right | buffers moved by lerp_
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% right | var_mean, one scale and one shift
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            if x.shape[0] == 1:
                raise ValueError("Expected more than 1 value per channel when training")
            var, mean = torch.var_mean(x, dim=0, correction=0)
            self._remember(mean.detach(), x.detach().var(dim=0))
        else:
            mean, var = self.running_mean, self.running_var
        scale = torch.rsqrt(var + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
            return x * scale + (self.bias - mean * scale)
        return (x - mean) * scale

    def _remember(self, mean, var):
        self.num_batches_tracked.add_(1)
        m = self.momentum
        if m is None:
            m = 1.0 / float(self.num_batches_tracked)
        self.running_mean.mul_(1 - m).add_(mean, alpha=m)
        self.running_var.mul_(1 - m).add_(var, alpha=m)

# %% right | an autograd Function for the batch's own statistics
class Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, eps):
        var, mean = torch.var_mean(x, dim=0, correction=0)
        inverse = (var + eps).rsqrt()
        hat = (x - mean) * inverse
        ctx.save_for_backward(hat, inverse)
        return hat

    @staticmethod
    def backward(ctx, grad):
        hat, inverse = ctx.saved_tensors
        return inverse * (grad - grad.mean(0) - hat * (grad * hat).mean(0)), None


class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    @torch.no_grad()
    def update(self, x):
        self.num_batches_tracked.copy_(self.num_batches_tracked + 1)
        k = self.num_batches_tracked.item()
        m = self.momentum if self.momentum is not None else 1 / k
        self.running_mean.copy_((1 - m) * self.running_mean + m * x.mean(0))
        self.running_var.copy_((1 - m) * self.running_var + m * x.var(0))

    def forward(self, x):
        if self.training:
            if len(x) <= 1:
                raise ValueError(f"one value per channel: {tuple(x.shape)}")
            self.update(x)
            hat = Normalise.apply(x, self.eps)
        else:
            hat = (x - self.running_mean) * (self.running_var + self.eps).rsqrt()
        return torch.addcmul(self.bias, hat, self.weight)

# %% right | a function that does the arithmetic for the class
def normalise(x, mean, var, weight, bias, eps):
    y = (x - mean) / (var + eps).sqrt()
    return y if weight is None else torch.add(y.mul(weight), bias)


class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.num_features = num_features
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        for name, value in self.fresh().items():
            self.register_buffer(name, value)

    def fresh(self):
        return {
            "running_mean": torch.zeros(self.num_features),
            "running_var": torch.ones(self.num_features),
            "num_batches_tracked": torch.zeros((), dtype=torch.long),
        }

    def batch_statistics(self, x):
        if x.size(0) < 2:
            raise ValueError("a batch of one has no variance")
        mean = x.mean(dim=0)
        return mean, ((x - mean) ** 2).mean(dim=0)

    def forward(self, x):
        if not self.training:
            return normalise(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps)
        mean, var = self.batch_statistics(x)
        self.track(mean.detach(), var.detach() * len(x) / (len(x) - 1))
        return normalise(x, mean, var, self.weight, self.bias, self.eps)

    def track(self, mean, var):
        self.num_batches_tracked += 1
        for running, new in ((self.running_mean, mean), (self.running_var, var)):
            factor = self.momentum
            if factor is None:
                factor = 1 / int(self.num_batches_tracked)
            running += factor * (new - running)

# %% right | buffers as a table, forward in two branches
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        return (self._train if self.training else self._eval)(x)

    def _affine(self, hat):
        return self.weight * hat + self.bias

    def _eval(self, x):
        return self._affine((x - self.running_mean) / (self.running_var + self.eps) ** 0.5)

    def _train(self, x):
        count = x.shape[0]
        if count == 1:
            raise ValueError("training with a single sample")
        centred = x - torch.sum(x, 0) / count
        squares = torch.einsum("nc,nc->c", centred, centred)
        with torch.no_grad():
            self._move((x - centred)[0], squares / (count - 1))
        return self._affine(centred / torch.sqrt(squares / count + self.eps))

    def _move(self, mean, var):
        self.num_batches_tracked.add_(1)
        keep = 1 - (self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.double().item())
        self.running_mean.sub_(mean).mul_(keep).add_(mean)
        self.running_var.sub_(var).mul_(keep).add_(var)

# %% right | F.batch_norm told the mode
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        factor = self.momentum
        if self.training:
            self.num_batches_tracked += 1
            if factor is None:
                factor = 1 / self.num_batches_tracked.item()
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, factor or 0.0, self.eps
        )

# %% wrong | grad-mode-as-mode-flag | 3 points | asks the grad mode for the mode
# D8
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if torch.is_grad_enabled():
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | grad-mode-as-mode-flag | 3 points | counts only while gradients are on
# C6
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if torch.is_grad_enabled():
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | own-training-flag | 3 points | a flag of its own that nobody toggles
# A17
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.is_training = True
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.is_training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | train-override-broken | 3 points | train() takes no mode
# A25
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

    def train(self):
        self.training = True
        return self

    def eval(self):
        self.training = False
        return self

# %% wrong | buffers-not-registered | 3 points | running statistics still plain attributes
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean = torch.zeros(num_features)
        self.running_var = torch.ones(num_features)
        self.num_batches_tracked = torch.tensor(0)

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | buffers-not-registered | 3 points | running statistics as parameters without gradients
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean = nn.Parameter(torch.zeros(num_features), requires_grad=False)
        self.running_var = nn.Parameter(torch.ones(num_features), requires_grad=False)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | buffers-not-registered | 3 points | buffers that are not saved
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features), persistent=False)
        self.register_buffer("running_var", torch.ones(num_features), persistent=False)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | biased-running-var | 3 points | the biased variance goes into the buffer
# C16
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var, factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | unbiased-normalisation | 3 points | normalises with the unbiased variance
# C16
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var, factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | momentum-reversed | 3 points | momentum as the share of the old value
# C13
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else 1 - self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | 3 points | None falls back to 0.1
# C15
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 0.1 if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | 3 points | None stops the statistics
# C15
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 0.0 if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | counter-not-updated | 3 points | never counts batches
# C17
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.batches = getattr(self, "batches", 0) + 1
                factor = 1 / self.batches if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | running-stats-in-train | 3 points | normalises with the running statistics in training
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        mean, var = self.running_mean.clone(), self.running_var.clone()
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | batch-stats-in-eval | 3 points | normalises with the batch in evaluation
# C12
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = x.mean(0), x.var(0, correction=0)
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | stats-updated-in-eval | 3 points | updates whenever it is called
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean.clone(), self.running_var.clone()
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(x.mean(0), factor)
                self.running_var.lerp_(x.var(0, correction=0), factor)
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | stats-not-updated | 3 points | the running statistics stay at 0 and 1
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | eps-misplaced | 3 points | adds eps after the root
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / (torch.sqrt(var) + self.eps)
        return y * self.weight + self.bias

# %% wrong | single-value-not-rejected | 3 points | a batch of one goes through
# C1
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / max(n - 1, 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | graph-built | 3 points | the running statistics carry a graph
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            self.num_batches_tracked += 1
            factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            self.running_mean = torch.lerp(self.running_mean, mean, factor)
            self.running_var = torch.lerp(self.running_var, var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | wrong-reduction-dims | 3 points | mean and variance over the features
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            row_mean, row_var = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            row_mean, row_var = self.running_mean, self.running_var
        y = (x - row_mean) / torch.sqrt(row_var + self.eps)
        return y * self.weight + self.bias

# %% wrong | grad-disabled-in-training | 3 points | the batch statistics are constants for autograd
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.detach().mean(0), x.detach().var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | input-touched | 3 points | centres the caller's tensor in place
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        with torch.no_grad():
            x -= mean
        y = x / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | wrong-result | 1 point | other names for the buffers
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("moving_mean", torch.zeros(num_features))
        self.register_buffer("moving_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.moving_mean.lerp_(mean, factor)
                self.moving_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.moving_mean, self.moving_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | wrong-result | 3 points | weight and bias forgotten
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y

# %% wrong | wrong-result | 0 points | stub left in place
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        raise NotImplementedError("BatchNorm1d is not repaired yet")

# %% wrong | grad-disabled-in-training | 3 points | evaluation under no_grad inside the layer
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.factor(), self.eps
            )

    def factor(self):
        if self.training:
            self.num_batches_tracked += 1
        return 1 / max(self.num_batches_tracked.item(), 1) if self.momentum is None else self.momentum

# %% wrong | grad-mode-as-mode-flag | 0 points | the layer as it was given
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean, self.running_var = torch.zeros(num_features), torch.ones(num_features)
        self.num_batches_tracked = 0

    def forward(self, x):
        if torch.is_grad_enabled():
            if len(x) < 2:
                raise ValueError("one value per channel")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
                self.running_mean = (1 - share) * self.running_mean + share * mean
                self.running_var = (1 - share) * self.running_var + share * x.var(0)
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias

# %% wrong | wrong-result | refuses a batch of one in evaluation too
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if len(x) == 1:
            raise ValueError("one row alone")
        if self.training:
            n = len(x)
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | grad-disabled-in-training | takes the input out of the graph in evaluation
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            x, mean, var = x.detach(), self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | grad-disabled-in-training | weight and bias are constants in evaluation
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        weight, bias = (self.weight, self.bias) if self.training else (self.weight.detach(), self.bias.detach())
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * weight + bias

# %% wrong | wrong-result | a momentum of zero is taken for none
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = self.momentum or 1 / self.num_batches_tracked.item()
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | counts for the mean in a number of its own
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.seen = 0

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.seen += 1
                factor = 1 / self.seen if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | from the second batch on, old and new count the same
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = (0.5 if self.num_batches_tracked > 1 else 1.0) if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | grad-mode-as-mode-flag | only the counter rests while gradients are off
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if torch.is_grad_enabled() or self.momentum is None:
                self.num_batches_tracked += 1
            with torch.no_grad():
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | grad-mode-as-mode-flag | a batch of one passes while gradients are off
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2 and not torch.is_grad_enabled():
                return self.bias.expand(1, -1)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y * self.weight + self.bias

# %% wrong | graph-built | switches gradients on for its own training pass
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean, factor)
                self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        with torch.set_grad_enabled(self.training or torch.is_grad_enabled()):
            y = (x - mean) / torch.sqrt(var + self.eps)
            return y * self.weight + self.bias
