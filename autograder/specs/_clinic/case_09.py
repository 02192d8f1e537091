import torch


def normalise_batch(x, running_mean, running_var, momentum=0.1, eps=1e-5):
    """What a BatchNorm layer without weight and bias does in training mode with
    x: (N, C) or (N, C, H, W).

    x has more than one value per channel. Returns the batch, normalised per
    channel, in the shape of x; gradients flow through it. Updates the running
    statistics, two tensors of shape (C,), in place, as nn.BatchNorm1d and
    nn.BatchNorm2d do.
    """
    dims = [d for d in range(x.dim()) if d != 1]
    mean = x.mean(dim=dims)
    var = x.var(dim=dims, unbiased=False)
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * var)
    shape = [1, -1] + [1] * (x.dim() - 2)
    return (x - mean.view(shape)) / torch.sqrt(var.view(shape) + eps)
