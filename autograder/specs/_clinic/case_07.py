import torch


def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    """Train until the validation loss has not improved for `patience` epochs,
    or for `max_epochs`.

    Every part of the model is trained in the mode in which the caller hands it
    over, and left in that mode. Validation is done in evaluation mode and
    without gradients. Returns the validation losses, one float per epoch, means
    over the samples.
    """
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        model.train()
        losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses
