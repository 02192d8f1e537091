import torch


def validate(model, loader, loss_fn):
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            total += loss_fn(model(x), y).item() * len(y)
            count += len(y)
    return total / count


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    """Train the whole model in training mode, and validate it after every
    `val_every` steps, in evaluation mode.

    Returns the validation losses in order, floats, means over the samples. The
    model is left in training mode.
    """
    losses, steps = [], 0
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                losses.append(validate(model, val_loader, loss_fn))
    return losses
