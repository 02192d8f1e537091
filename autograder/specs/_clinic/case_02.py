import torch


def run_phases(model, loaders, loss_fn, optimizer, epochs):
    """Train on loaders["train"] and validate on loaders["val"], in turns,
    `epochs` times.

    Training is done in training mode, validation in evaluation mode and without
    gradients, whatever the caller's grad mode. Returns {"train": [...], "val":
    [...]}, the mean loss per sample of each epoch, as floats; that of training
    is taken from the steps as they are made. The caller gets its grad mode
    back, also when an error passes through. The model is left in training mode.
    """
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            torch.set_grad_enabled(phase == "train")
            total, count = 0.0, 0
            for x, y in loaders[phase]:
                loss = loss_fn(model(x), y)
                if phase == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total += loss.item() * len(y)
                count += len(y)
            history[phase].append(total / count)
    model.train()
    return history
