import torch


def train_head(model, loader, loss_fn, epochs, lr):
    """Train model.head on top of the pretrained model.backbone; return the mean
    loss per sample of each epoch.

    The backbone is frozen: the head is trained, by plain SGD and in training
    mode, on what the backbone computes in evaluation mode, and the backbone
    comes back with every parameter and every buffer as it was, bit for bit. The
    losses are floats, taken from the steps as they are made.
    """
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        total, count = 0.0, 0
        for x, y in loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            count += len(y)
        losses.append(total / count)
    return losses
