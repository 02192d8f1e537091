# %% right | buffers moved by lerp_
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% right | var_mean, one scale and one shift
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            if x.shape[0] == 1:
                raise ValueError("Expected more than 1 value per channel when training")
            var, mean = torch.var_mean(x, dim=0, correction=0)
            if self.running_mean is not None:
                self._remember(mean.detach(), x.detach().var(dim=0))
        else:
            mean, var = self.running_mean, self.running_var
        scale = torch.rsqrt(var + self.eps)
        if self.affine:
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
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    @torch.no_grad()
    def update(self, x):
        if self.num_batches_tracked is None:
            return
        self.num_batches_tracked.copy_(self.num_batches_tracked + 1)
        k = self.num_batches_tracked.item()
        m = self.momentum if self.momentum is not None else 1 / k
        self.running_mean.copy_((1 - m) * self.running_mean + m * x.mean(0))
        self.running_var.copy_((1 - m) * self.running_var + m * x.var(0))

    def forward(self, x):
        if self.training or self.running_var is None:
            if len(x) <= 1:
                raise ValueError(f"one value per channel: {tuple(x.shape)}")
            if self.training:
                self.update(x)
            hat = Normalise.apply(x, self.eps)
        else:
            hat = (x - self.running_mean) * (self.running_var + self.eps).rsqrt()
        if self.weight is None:
            return hat
        return torch.addcmul(self.bias, hat, self.weight)

# %% right | a function that does the arithmetic for the class
def normalise(x, mean, var, weight, bias, eps):
    y = (x - mean) / (var + eps).sqrt()
    return y if weight is None else torch.add(y.mul(weight), bias)


class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.num_features = num_features
        self.weight = self.bias = self.running_mean = self.running_var = self.num_batches_tracked = None
        if affine:
            del self.weight, self.bias
            self.weight = nn.Parameter(torch.ones(num_features))
            self.bias = nn.Parameter(torch.zeros(num_features))
        if track_running_stats:
            del self.running_mean, self.running_var, self.num_batches_tracked
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
        if not self.training and self.running_mean is not None:
            return normalise(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps)
        mean, var = self.batch_statistics(x)
        if self.training and self.running_mean is not None:
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
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        return (self._train if self.training or not self.track_running_stats else self._eval)(x)

    def _affine(self, hat):
        return hat if not self.affine else self.weight * hat + self.bias

    def _eval(self, x):
        return self._affine((x - self.running_mean) / (self.running_var + self.eps) ** 0.5)

    def _train(self, x):
        count = x.shape[0]
        if count == 1:
            raise ValueError("training with a single sample")
        centred = x - torch.sum(x, 0) / count
        squares = torch.einsum("nc,nc->c", centred, centred)
        if self.training and self.track_running_stats:
            with torch.no_grad():
                self._move((x - centred)[0], squares / (count - 1))
        return self._affine(centred / torch.sqrt(squares / count + self.eps))

    def _move(self, mean, var):
        self.num_batches_tracked.add_(1)
        keep = 1 - (self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.double().item())
        self.running_mean.sub_(mean).mul_(keep).add_(mean)
        self.running_var.sub_(var).mul_(keep).add_(var)

# %% wrong | grad-mode-as-mode-flag | 2 points | asks the grad mode for the mode
# D8
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if torch.is_grad_enabled() or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | grad-mode-as-mode-flag | 4 points | counts only while gradients are on
# C6
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats and torch.is_grad_enabled():
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | own-training-flag | 4 points | a flag of its own that nobody toggles
# A17
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.is_training = True
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.is_training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | train-override-broken | 4 points | train() takes no mode
# A25
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

    def train(self):
        self.training = True
        return self

    def eval(self):
        self.training = False
        return self

# %% wrong | buffers-not-registered | 4 points | running statistics as plain attributes
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.running_mean = torch.zeros(num_features) if track_running_stats else None
        self.running_var = torch.ones(num_features) if track_running_stats else None
        self.num_batches_tracked = torch.tensor(0) if track_running_stats else None

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | buffers-not-registered | 4 points | running statistics as parameters without gradients
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        zeros, ones = torch.zeros(num_features), torch.ones(num_features)
        self.running_mean = nn.Parameter(zeros, requires_grad=False) if track_running_stats else None
        self.running_var = nn.Parameter(ones, requires_grad=False) if track_running_stats else None
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | biased-running-var | 4 points | the biased variance goes into the buffer
# C16
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var, factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | unbiased-normalisation | 4 points | normalises with the unbiased variance
# C16
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var, factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | momentum-reversed | 4 points | momentum as the share of the old value
# C13
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else 1 - self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | 4 points | None falls back to 0.1
# C15
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 0.1 if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | 4 points | None stops the statistics
# C15
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 0.0 if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | counter-not-updated | 4 points | never counts batches
# C17
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.batches = getattr(self, "batches", 0) + 1
                    factor = 1 / self.batches if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | running-stats-in-train | 4 points | normalises with the running statistics in training
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        if self.track_running_stats:
            mean, var = self.running_mean.clone(), self.running_var.clone()
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | batch-stats-in-eval | 4 points | normalises with the batch in evaluation
# C12
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = x.mean(0), x.var(0, correction=0)
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | stats-updated-in-eval | 4 points | updates whenever it is called
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
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
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | stats-not-updated | 4 points | the running statistics stay at 0 and 1
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | eps-misplaced | 4 points | adds eps after the root
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / (torch.sqrt(var) + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | single-value-not-rejected | 4 points | a batch of one goes through
# C1
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / max(n - 1, 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | graph-built | 4 points | the running statistics carry a graph
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                self.num_batches_tracked += 1
                factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean = torch.lerp(self.running_mean, mean, factor)
                self.running_var = torch.lerp(self.running_var, var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | wrong-reduction-dims | 4 points | mean and variance over the features
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            row_mean, row_var = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            row_mean, row_var = self.running_mean, self.running_var
        y = (x - row_mean) / torch.sqrt(row_var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | grad-disabled-in-training | 4 points | the batch statistics are constants for autograd
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.detach().mean(0), x.detach().var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | input-touched | 3 points | centres the caller's tensor in place
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
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
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | library-layer-used | 0 points | inherits from nn.BatchNorm1d
class BatchNorm1d(nn.BatchNorm1d):
    pass

# %% wrong | library-layer-used | 0 points | F.batch_norm in forward
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        use_batch = self.training or not self.track_running_stats
        factor = 0.0
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, use_batch, factor, self.eps
        )

# %% wrong | wrong-result | 4 points | track_running_stats ignored
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if self.training:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if True:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | wrong-result | 4 points | affine ignored
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)))
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)))
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | wrong-result | 3 points | weight and bias forgotten
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n < 2:
                raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y

# %% wrong | wrong-result | 1 point | stub left in place
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        raise NotImplementedError("BatchNorm1d is not written yet")

# %% right | a small base class, statistics updated by a helper
class _Tracked(nn.Module):
    def __init__(self, width, momentum, tracked):
        super().__init__()
        self.momentum, self.calls = momentum, 0
        for name, value in (("running_mean", torch.zeros(width)), ("running_var", torch.ones(width)),
                            ("num_batches_tracked", torch.zeros((), dtype=torch.long))):
            self.register_buffer(name, value if tracked else None)

    @torch.no_grad()
    def take_in(self, x):
        self.calls += 1
        if self.running_mean is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else self.num_batches_tracked.double().reciprocal().item()
        self.running_mean.copy_((1 - share) * self.running_mean + share * x.mean(0))
        self.running_var.copy_((1 - share) * self.running_var + share * x.var(0))


class BatchNorm1d(_Tracked):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__(num_features, momentum, track_running_stats)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None

    def forward(self, x):
        if self.training or self.running_mean is None:
            if x.shape[0] == 1:
                raise ValueError("a batch of one")
            z = (x - x.mean(0)) * torch.rsqrt(x.var(0, unbiased=False) + self.eps)
            self.take_in(x)
        else:
            z = (x - self.running_mean) * torch.rsqrt(self.running_var + self.eps)
        return z if self.weight is None else torch.addcmul(self.bias, z, self.weight)

# %% wrong | library-layer-used | 0 points | a library layer inside
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.inner = nn.BatchNorm1d(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, x):
        return self.inner(x)

# %% wrong | library-layer-used | 0 points | inherits the buffers
class BatchNorm1d(nn.BatchNorm1d):
    def forward(self, x):
        mean, var = (x.mean(0), x.var(0, correction=0)) if self.training else (self.running_mean, self.running_var)
        return (x - mean) / (var + self.eps).sqrt() * self.weight + self.bias

# %% wrong | momentum-none-not-cumulative | 4 points | counts the batches on its own, beside the state dict
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum, self.seen = eps, momentum, 0
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        on = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features) if on else None)
        self.register_buffer("running_var", torch.ones(num_features) if on else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if on else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1:
                raise ValueError("a batch of one")
            if mean is not None:
                self.seen += 1
                self.num_batches_tracked += 1
                share = 1 / self.seen if self.momentum is None else self.momentum
                with torch.no_grad():
                    self.running_mean.lerp_(x.mean(0), share)
                    self.running_var.lerp_(x.var(0), share)
            mean, var = x.mean(0), x.var(0, correction=0)
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | wrong-result | refuses to train on two samples as well
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum, self.track_running_stats = eps, momentum, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        if self.training or not self.track_running_stats:
            n = len(x)
            if n <= 2:
                raise ValueError("training needs more values per channel")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.track_running_stats:
                with torch.no_grad():
                    self.num_batches_tracked += 1
                    factor = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                    self.running_mean.lerp_(mean, factor)
                    self.running_var.lerp_(var * n / (n - 1), factor)
        else:
            mean, var = self.running_mean, self.running_var
        y = (x - mean) / torch.sqrt(var + self.eps)
        return y if self.weight is None else y * self.weight + self.bias

# %% wrong | wrong-result | 4 points | weight and bias that are no parameters
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = ones if affine else None
        self.bias = zeros if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)

# %% wrong | grad-disabled-in-training | 4 points | records nothing in evaluation mode
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            y = (x - mean) / (var + self.eps).sqrt()
            return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)

# %% wrong | wrong-result | 4 points | momentum 0.0 taken for None
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum else 1 / self.num_batches_tracked.item()
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)

# %% wrong | single-value-not-rejected | 4 points | trains on one sample where nothing is tracked
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1 and self.running_mean is not None:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)

# %% wrong | single-value-not-rejected | 4 points | trains on one sample with momentum None
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1 and self.momentum is not None:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)

# %% wrong | grad-mode-as-mode-flag | 4 points | does not count what it sees under no_grad
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += int(torch.is_grad_enabled())
        share = 1 / max(self.num_batches_tracked.item(), 1) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)

# %% right | detached statistics handed to a method that moves the buffers
class BatchNorm1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(zeros) if affine else None
        self.register_buffer("running_mean", zeros.clone() if track_running_stats else None)
        self.register_buffer("running_var", ones.clone() if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training or mean is None:
            if len(x) == 1:
                raise ValueError("one sample")
            mean, var = x.mean(0), x.var(0, correction=0)
            if self.running_mean is not None:
                self.move(mean.detach(), x.detach().var(0))
        y = (x - mean) / (var + self.eps).sqrt()
        return y if self.weight is None else y * self.weight + self.bias

    def move(self, mean, var):
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(var, share)
