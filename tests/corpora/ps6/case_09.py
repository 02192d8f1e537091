# %% right | the stored variance is the unbiased one
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * x.var(dim=dims, unbiased=True))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% right | the factor n / (n - 1)
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    n = x.numel() / x.shape[1]
    flat = x.transpose(0, 1).flatten(1)
    mean, var = flat.mean(1), flat.var(1, correction=0)
    running_mean += momentum * (mean.detach() - running_mean)
    running_var += momentum * (var.detach() * n / (n - 1) - running_var)
    y = (flat - mean[:, None]) * torch.rsqrt(var[:, None] + eps)
    return y.view(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)


case_09 = ("biased-running-var", normalise_batch)

# %% right | the library's own function
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, running_mean, running_var, training=True, momentum=momentum, eps=eps)


case_09 = ("biased-running-var", normalise_batch)

# %% right | lerp_ on var_mean
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = (0, *range(2, x.dim()))
    var, mean = torch.var_mean(x, dims, correction=0, keepdim=True)
    with torch.no_grad():
        running_mean.lerp_(mean.flatten(), momentum)
        running_var.lerp_(torch.var(x, dims, correction=1), momentum)
    return (x - mean) / (var + eps).sqrt()


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | biased-running-var | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_09 import normalise_batch

case_09 = ("biased-running-var", normalise_batch)

# %% wrong | biased-running-var | 2 points | a good repair, called by the name of the other variance
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    return F.batch_norm(x, running_mean, running_var, training=True, momentum=momentum, eps=eps)


case_09 = ("unbiased-normalisation", normalise_batch)

# %% wrong | unbiased-normalisation | 1 points | unbiased in both places
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=True)
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var)
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | momentum-reversed | 1 points | the right variance with the old one's share
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    with torch.no_grad():
        running_mean.mul_(momentum).add_((1 - momentum) * mean)
        running_var.mul_(momentum).add_((1 - momentum) * x.var(dim=dims))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | stats-not-updated | 1 points | new tensors instead of the ones given
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    with torch.no_grad():
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * x.var(dim=dims)
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | graph-built | 1 points | the statistics join the graph
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    running_mean.mul_(1 - momentum).add_(momentum * mean)
    running_var.mul_(1 - momentum).add_(momentum * x.var(dim=dims))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | grad-disabled-in-training | 1 points | all of it is under no_grad now
@torch.no_grad()
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    running_mean.mul_(1 - momentum).add_(momentum * mean)
    running_var.mul_(1 - momentum).add_(momentum * x.var(dim=dims))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | wrong-result | 1 points | the factor counts rows, also for images
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    n = len(x)
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | wrong-result | 1 points | the factor is upside down
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    n = x.numel() // x.shape[1]
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var * (n - 1) / n)
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | running-stats-in-train | 1 points | the running statistics normalise
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    shape = [1, -1] + [1] * (x.dim() - 2)
    y = (x - running_mean.clone().view(shape)) / torch.sqrt(running_var.clone().view(shape) + eps)
    dims = [d for d in range(x.dim()) if d != 1]
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * x.mean(dim=dims))
        running_var.mul_(1 - momentum).add_(momentum * x.var(dim=dims))
    return y


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | eps-misplaced | 1 points | eps outside of the root
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * x.var(dim=dims))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / (torch.sqrt(var.view(shape)) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | wrong-reduction-dims | 1 points | each image is normalised by itself
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    F.batch_norm(x.detach(), running_mean, running_var, training=True, momentum=momentum, eps=eps)
    dims = [0] if x.dim() == 2 else [2, 3]
    mean, var = x.mean(dim=dims, keepdim=True), x.var(dim=dims, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(var + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | wrong-result | a momentum of 0 is taken for none
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    n = x.numel() // x.size(1)
    momentum = momentum or 0.1
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | input-touched | centres the input in place where no gradient is asked for
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    n = x.numel() // x.size(1)
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    shape = [1, -1] + [1] * (x.dim() - 2)
    centred = x.sub_(mean.view(shape)) if not x.requires_grad else x - mean.view(shape)
    return centred / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | grad-mode-as-mode-flag | updates the statistics only where gradients are recorded
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    n = x.numel() // x.size(1)
    if torch.is_grad_enabled():
        running_mean.data.mul_(1 - momentum).add_(momentum * mean.data)
        running_var.data.mul_(1 - momentum).add_(momentum * var.data * n / (n - 1))
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)

# %% wrong | grad-mode-leaked | switches recording off and on again by hand
def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    n = x.numel() // x.size(1)
    torch.set_grad_enabled(False)
    running_mean.mul_(1 - momentum).add_(momentum * mean)
    running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    torch.set_grad_enabled(True)
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)


case_09 = ("biased-running-var", normalise_batch)
