# %% right | mean and variance over all dimensions but the channel's
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% right | channels moved to the front and flattened
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    rows = x.transpose(0, 1).flatten(1)
    if training:
        if rows.shape[1] == 1:
            raise ValueError("Expected more than 1 value per channel when training")
        var, mean = torch.var_mean(rows, dim=1, correction=0)
        unbiased = rows.detach().var(dim=1)
        running_mean.lerp_(mean.detach(), momentum)
        running_var.lerp_(unbiased, momentum)
    else:
        mean, var = running_mean, running_var
    scale = (var + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    rows = rows * scale[:, None] + shift[:, None]
    return rows.unflatten(1, (x.shape[0], *x.shape[2:])).transpose(0, 1)

# %% right | sums by einsum, buffers by copy_
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    flat = x.reshape(x.shape[0], x.shape[1], -1)
    n = flat.shape[0] * flat.shape[2]
    if training:
        if n <= 1:
            raise ValueError(f"one value per channel: {list(x.shape)}")
        mean = torch.einsum("ncl->c", flat) / n
        centred = flat - mean[None, :, None]
        var = torch.einsum("ncl,ncl->c", centred, centred) / n
        new_mean = (1 - momentum) * running_mean + momentum * mean.detach()
        new_var = (1 - momentum) * running_var + momentum * var.detach() * n / (n - 1)
        running_mean.copy_(new_mean)
        running_var.copy_(new_var)
    else:
        centred = flat - running_mean[None, :, None]
        var = running_var
    out = centred * torch.pow(var + eps, -0.5)[None, :, None]
    out = out if weight is None else out * weight[None, :, None]
    out = out if bias is None else out + bias[None, :, None]
    return out.reshape(x.shape)

# %% right | one channel after the other
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    if training and x[:, 0].numel() < 2:
        raise ValueError("more than one value per channel is needed in training")
    channels = []
    for c, values in enumerate(x.unbind(1)):
        if training:
            mean, var = values.mean(), values.var(correction=0)
            with torch.no_grad():
                running_mean[c] += momentum * (mean - running_mean[c])
                running_var[c] += momentum * (values.var() - running_var[c])
        else:
            mean, var = running_mean[c], running_var[c]
        values = (values - mean) / (var + eps) ** 0.5
        if weight is not None:
            values = values * weight[c]
        if bias is not None:
            values = values + bias[c]
        channels.append(values)
    return torch.stack(channels, dim=1)

# %% right | an autograd Function with the backward by hand
class Normalise(torch.autograd.Function):
    """x hat and its derivative, for statistics of the batch itself."""

    @staticmethod
    def forward(ctx, rows, eps):
        var, mean = torch.var_mean(rows, dim=0, correction=0)
        inverse = (var + eps).rsqrt()
        hat = (rows - mean) * inverse
        ctx.save_for_backward(hat, inverse)
        return hat

    @staticmethod
    def backward(ctx, grad):
        hat, inverse = ctx.saved_tensors
        return inverse * (grad - grad.mean(0) - hat * (grad * hat).mean(0)), None


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    rows = x.movedim(1, -1)
    shape = rows.shape
    rows = rows.reshape(-1, shape[-1])
    if training:
        if len(rows) == 1:
            raise ValueError("a batch with one value per channel has no variance")
        with torch.no_grad():
            running_mean += momentum * (rows.mean(0) - running_mean)
            running_var += momentum * (rows.var(0, correction=1) - running_var)
        hat = Normalise.apply(rows, eps)
    else:
        hat = (rows - running_mean) / (running_var + eps).sqrt()
    out = hat * (1 if weight is None else weight) + (0 if bias is None else bias)
    return out.reshape(shape).movedim(-1, 1)

# %% right | a callable class with slices of None
class BatchNormFunction:
    def statistics(self, x):
        dims = (0, *range(2, x.dim()))
        mean = x.mean(dim=dims, keepdim=True)
        return mean, (x - mean).square().mean(dim=dims, keepdim=True)

    def remember(self, running, value, momentum):
        running.data.mul_(1 - momentum).add_(value.detach().flatten(), alpha=momentum)

    def __call__(self, x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
        wide = (None, slice(None)) + (None,) * (x.dim() - 2)
        mean, var = running_mean[wide], running_var[wide]
        if training:
            count = x[:, :1].numel()
            if count == 1:
                raise ValueError("training with one value per channel")
            mean, var = self.statistics(x)
            self.remember(running_mean, mean, momentum)
            self.remember(running_var, var * (count / (count - 1)), momentum)
        x = (x - mean).div(var.add(eps).sqrt())
        if weight is not None:
            x = x.mul(weight[wide])
        if bias is not None:
            x = x.add(bias[wide])
        return x


batch_norm = BatchNormFunction()

# %% wrong | biased-running-var | 4 points | the biased variance goes into the buffer
# C16
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var)
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | unbiased-normalisation | 4 points | normalises with the unbiased variance
# C16
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=1)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var)
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | momentum-reversed | 4 points | momentum as the share of the old value
# C13
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(momentum).add_((1 - momentum) * mean)
            running_var.mul_(momentum).add_((1 - momentum) * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | running-stats-in-train | 4 points | normalises with the updated running statistics
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | batch-stats-in-eval | 4 points | always normalises with the batch
# C12
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    n = x.numel() // x.shape[1]
    if training and n < 2:
        raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
    mean = x.mean(dims)
    var = x.var(dims, correction=0)
    if training:
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | stats-updated-in-eval | 3 points | updates the buffers in evaluation too
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean.clone(), running_var.clone()
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * x.mean(dims))
            running_var.mul_(1 - momentum).add_(momentum * x.var(dims, correction=0))
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | stats-not-updated | 4 points | binds new tensors to the local names
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean = (1 - momentum) * running_mean + momentum * mean
            running_var = (1 - momentum) * running_var + momentum * var * n / (n - 1)
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | stats-not-updated | 4 points | forgets the running statistics
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | grad-mode-as-mode-flag | 3 points | the gradients decide
# D8
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training and torch.is_grad_enabled():
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | eps-misplaced | 4 points | adds eps after the root
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / (torch.sqrt(var.view(shape)) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | eps-misplaced | 4 points | leaves eps out
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape))
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | wrong-reduction-dims | 4 points | mean and variance over the batch alone
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(0).flatten(1).mean(1) if x.dim() > 2 else x.mean(0)
        var = x.var(0, correction=0).flatten(1).mean(1) if x.dim() > 2 else x.var(0, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | wrong-reduction-dims | 4 points | statistics per sample instead of per channel
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * x.mean(dims))
            running_var.mul_(1 - momentum).add_(momentum * x.var(dims))
        inner = list(range(1, x.dim()))
        y = (x - x.mean(inner, keepdim=True)) / torch.sqrt(x.var(inner, correction=0, keepdim=True) + eps)
    else:
        y = (x - running_mean.view(shape)) / torch.sqrt(running_var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | single-value-not-rejected | 4 points | a batch of one goes through
# C1
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / max(n - 1, 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | single-value-not-rejected | 4 points | asks for two samples, not for two values
# C3
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if len(x) < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | graph-built | 3 points | the running statistics carry a graph
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | grad-disabled-in-training | 4 points | the batch statistics are constants for autograd
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.detach().mean(dims)
        var = x.detach().var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | input-touched | 4 points | centres the caller's tensor in place
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    with torch.no_grad():
        x -= mean.view(shape)
    y = x / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | library-layer-used | 0 points | calls F.batch_norm
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)

# %% wrong | library-layer-used | 0 points | normalises with nn.BatchNorm in training
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    layer = (nn.BatchNorm1d if x.dim() == 2 else nn.BatchNorm2d)(x.shape[1], eps, momentum, affine=False).to(x.dtype)
    layer.running_mean, layer.running_var = running_mean, running_var
    y = layer.train(training)(x)
    shape = [1, -1] + [1] * (x.dim() - 2)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | wrong-result | 2 points | bias before weight
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if bias is not None:
        y = y + bias.view(shape)
    if weight is not None:
        y = y * weight.view(shape)
    return y

# %% wrong | wrong-result | 1 point | weight and bias forgotten
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    return y

# %% wrong | wrong-result | 2 points | divides by the variance
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        if n < 2:
            raise ValueError(f"training needs more than one value per channel, got {tuple(x.shape)}")
        mean = x.mean(dims)
        var = x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / (var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y

# %% wrong | wrong-result | 0 points | stub left in place
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    raise NotImplementedError("batch_norm is not written yet")

# %% right | channels first, one matrix product less
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    rows = x.transpose(0, 1).reshape(x.shape[1], -1)
    mean, var = running_mean, running_var
    if training:
        if rows.shape[1] == 1:
            raise ValueError("one value per channel")
        mean = rows.sum(1) / rows.shape[1]
        var = (rows - mean[:, None]).pow(2).mean(1)
        for kept, new in ((running_mean, mean), (running_var, rows.var(1))):
            kept.copy_(torch.lerp(kept, new.detach(), momentum))
    scale = torch.rsqrt(var + eps) * (1.0 if weight is None else weight)
    shift = -mean * scale + (0.0 if bias is None else bias)
    view = (-1,) + (1,) * (x.dim() - 2)
    return x * scale.view(view) + shift.view(view)

# %% right | an autograd Function with its own backward
class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mean, var, eps, dims):
        z = (x - mean) / (var + eps).sqrt()
        ctx.save_for_backward(z, var)
        ctx.eps, ctx.dims = eps, dims
        return z

    @staticmethod
    def backward(ctx, g):
        z, var = ctx.saved_tensors
        g = g - g.mean(ctx.dims, keepdim=True) - z * (g * z).mean(ctx.dims, keepdim=True)
        return g / (var + ctx.eps).sqrt(), None, None, None, None


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    view = [1, -1] + [1] * (x.dim() - 2)
    if training:
        count = x.numel() // x.size(1)
        if count == 1:
            raise ValueError("one value per channel")
        with torch.no_grad():
            var, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
            running_mean += momentum * (mean.flatten() - running_mean)
            running_var += momentum * (var.flatten() * count / (count - 1) - running_var)
        y = _Normalise.apply(x, mean, var, eps, dims)
    else:
        y = (x - running_mean.view(view)) / (running_var.view(view) + eps).sqrt()
    y = y if weight is None else y * weight.view(view)
    return y if bias is None else y + bias.view(view)

# %% wrong | wrong-result | 3 points | keeps the standard deviation
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    view = [1, -1] + [1] * (x.dim() - 2)
    mean, var = running_mean, running_var
    if training:
        if x.numel() == x.size(1):
            raise ValueError("one value per channel")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.std(dims), momentum)
    y = (x - mean.view(view)) / (var.view(view) + eps).sqrt()
    y = y if weight is None else y * weight.view(view)
    return y if bias is None else y + bias.view(view)

# %% wrong | running-stats-in-train | 4 points | updates first and normalises with the running statistics
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    view = [1, -1] + [1] * (x.dim() - 2)
    if training:
        if x.numel() == x.size(1):
            raise ValueError("one value per channel")
        with torch.no_grad():
            running_mean.lerp_(x.mean(dims), momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - running_mean.view(view)) / (running_var.view(view) + eps).sqrt()
    y = y if weight is None else y * weight.view(view)
    return y if bias is None else y + bias.view(view)

# %% wrong | single-value-not-rejected | 4 points | refuses every batch of one
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    view = [1, -1] + [1] * (x.dim() - 2)
    mean, var = running_mean, running_var
    if training:
        if len(x) == 1:
            raise ValueError("a batch of one")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - mean.view(view)) / (var.view(view) + eps).sqrt()
    y = y if weight is None else y * weight.view(view)
    return y if bias is None else y + bias.view(view)

# %% wrong | grad-mode-as-mode-flag | 1 point | trains where gradients are recorded
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    view = [1, -1] + [1] * (x.dim() - 2)
    mean, var = running_mean, running_var
    if torch.is_grad_enabled():
        if x.numel() == x.size(1):
            raise ValueError("one value per channel")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - mean.view(view)) / (var.view(view) + eps).sqrt()
    y = y if weight is None else y * weight.view(view)
    return y if bias is None else y + bias.view(view)

# %% wrong | wrong-result | 0 points | hands x back
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return x

# %% wrong | wrong-result | refuses two values per channel as well
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        if x.numel() / x.shape[1] <= 2:
            raise ValueError("too few values per channel")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)

# %% wrong | wrong-reduction-dims | a backward by hand that suits (N, C) only
class Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, dims, eps):
        mean, var = x.mean(dims, keepdim=True), x.var(dims, correction=0, keepdim=True)
        z = (x - mean) / (var + eps).sqrt()
        ctx.save_for_backward(z, var)
        ctx.eps = eps
        return z

    @staticmethod
    def backward(ctx, g):
        z, var = ctx.saved_tensors
        g = g - g.mean(0, keepdim=True) - z * (g * z).mean(0, keepdim=True)
        return g / (var + ctx.eps).sqrt(), None, None


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        if x.numel() == x.shape[1]:
            raise ValueError("one value per channel")
        y = Normalise.apply(x, dims, eps)
        with torch.no_grad():
            running_mean.lerp_(x.mean(dims), momentum)
            running_var.lerp_(x.var(dims), momentum)
    else:
        y = (x - running_mean.view(shape)) / (running_var.view(shape) + eps).sqrt()
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)

# %% wrong | grad-disabled-in-training | 4 points | records nothing in evaluation
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    if training and x[:, 0].numel() == 1:
        raise ValueError("one value per channel")
    with torch.set_grad_enabled(training and torch.is_grad_enabled()):
        mean, var = running_mean, running_var
        if training:
            mean, var = x.mean(dims), x.var(dims, correction=0)
            with torch.no_grad():
                running_mean.lerp_(mean, momentum)
                running_var.lerp_(x.var(dims), momentum)
        y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
        y = y if weight is None else y * weight.view(shape)
        return y if bias is None else y + bias.view(shape)

# %% wrong | grad-disabled-in-training | 4 points | a detached weight in evaluation
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    if training and x[:, 0].numel() == 1:
        raise ValueError("one value per channel")
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
    if weight is not None:
        y = y * (weight if training else weight.detach()).view(shape)
    return y if bias is None else y + bias.view(shape)

# %% wrong | wrong-result | momentum 0.0 taken for the default
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    momentum = momentum or 0.1
    mean, var = running_mean, running_var
    if training:
        if x[:, 0].numel() == 1:
            raise ValueError("one value per channel")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)

# %% wrong | eps-misplaced | eps of its own in evaluation
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    mean, scale = running_mean, (running_var + 1e-5).rsqrt()
    if training:
        if x[:, 0].numel() == 1:
            raise ValueError("one value per channel")
        mean, scale = x.mean(dims), (x.var(dims, correction=0) + eps).rsqrt()
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - mean.view(shape)) * scale.view(shape)
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)

# %% wrong | wrong-result | a bias only where there is a weight
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    mean, var = running_mean, running_var
    if training:
        if x[:, 0].numel() == 1:
            raise ValueError("one value per channel")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(x.var(dims), momentum)
    y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
    if weight is not None:
        y = y * weight.view(shape)
        if bias is not None:
            y = y + bias.view(shape)
    return y

# %% wrong | wrong-result | new memory for the running tensors
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    mean, var = running_mean, running_var
    if training:
        if x[:, 0].numel() == 1:
            raise ValueError("one value per channel")
        mean, var = x.mean(dims), x.var(dims, correction=0)
        running_mean.data = (1 - momentum) * running_mean.data + momentum * mean.detach()
        running_var.data = (1 - momentum) * running_var.data + momentum * x.detach().var(dims)
    y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)

# %% right | one scale and one shift, the running tensors written through their data
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    mean, var = running_mean, running_var
    if training:
        if x[:, 0].numel() == 1:
            raise ValueError("one value per channel")
        var, mean = torch.var_mean(x, dims, correction=0)
        running_mean.data[:] = (1 - momentum) * running_mean.data + momentum * mean.data
        running_var.data[:] = (1 - momentum) * running_var.data + momentum * x.data.var(dims)
    scale = (var + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    return x * scale.view(shape) + shift.view(shape)

# %% wrong | stats-updated-in-eval | moves the running tensors whatever the mode, then uses them in evaluation
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims, shape = [d for d in range(x.dim()) if d != 1], [1, -1] + [1] * (x.dim() - 2)
    if x[:, 0].numel() == 1:
        if training:
            raise ValueError("one value per channel")
    else:
        with torch.no_grad():
            running_mean.lerp_(x.mean(dims), momentum)
            running_var.lerp_(x.var(dims), momentum)
    mean, var = (x.mean(dims), x.var(dims, correction=0)) if training else (running_mean.clone(), running_var.clone())
    y = (x - mean.view(shape)) / (var.view(shape) + eps).sqrt()
    y = y if weight is None else y * weight.view(shape)
    return y if bias is None else y + bias.view(shape)

# %% wrong | input-touched | the running mean moves before the batch of one is refused
def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    if training:
        n = x.numel() // x.shape[1]
        mean, var = x.mean(dims), x.var(dims, correction=0)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            if n == 1:
                raise ValueError("the unbiased variance needs more than one value per channel")
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    y = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
    if weight is not None:
        y = y * weight.view(shape)
    if bias is not None:
        y = y + bias.view(shape)
    return y
