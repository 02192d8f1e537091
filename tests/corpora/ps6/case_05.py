# %% right | the backbone's eval() after each train()
def train_head(model, loader, loss_fn, epochs, lr):
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.eval()
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


case_05 = ("bn-drifts-when-frozen", train_head)

# %% right | only the head is switched, and fed with features made under no_grad
def train_head(model, loader, loss_fn, epochs, lr):
    model.backbone.eval()
    model.head.train()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        pairs = []
        for x, y in loader:
            with torch.no_grad():
                features = model.backbone(x)
            loss = loss_fn(model.head(features), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            pairs.append((loss.item(), len(y)))
        losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% right | features computed once, since they do not change
def train_head(model, loader, loss_fn, epochs, lr):
    for p in model.backbone.parameters():
        p.requires_grad = False
    model.backbone.eval()
    with torch.no_grad():
        batches = [(model.backbone(x), y) for x, y in loader]
    model.head.train()
    losses = []
    for _ in range(epochs):
        total = 0.0
        for features, y in batches:
            model.head.zero_grad()
            loss = loss_fn(model.head(features), y)
            loss.backward()
            with torch.no_grad():
                for p in model.head.parameters():
                    p -= lr * p.grad
            total += float(loss.detach()) * len(y)
        losses.append(total / sum(len(y) for _, y in batches))
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% right | a hook puts the backbone to sleep before each pass
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    handle = model.register_forward_pre_hook(lambda module, args: module.backbone.eval() and None)
    losses = []
    try:
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
    finally:
        handle.remove()
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | bn-drifts-when-frozen | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_05 import train_head

case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | bn-drifts-when-frozen | 2 points | a good repair, taken for weights that move
def train_head(model, loader, loss_fn, epochs, lr):
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.eval()
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


case_05 = ("frozen-weights-move", train_head)

# %% wrong | freeze-undone-by-train | 1 points | the backbone sleeps until the first epoch begins
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    model.backbone.eval()
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


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | train-never-called | 1 points | the head sleeps too
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.eval()
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


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | eval-never-called | 1 points | the buffers are put back at the end, what the head learned on stays as it was
def train_head(model, loader, loss_fn, epochs, lr):
    saved = copy.deepcopy(model.backbone.state_dict())
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
    model.backbone.load_state_dict(saved)
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | root-flag-only | 1 points | only the backbone's own flag is set
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.training = False
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


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | bn-drifts-when-frozen | 1 points | the pass through the backbone is put under no_grad, which it does not need
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        total, count = 0.0, 0
        for x, y in loader:
            with torch.no_grad():
                features = model.backbone(x)
            loss = loss_fn(model.head(features), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            count += len(y)
        losses.append(total / count)
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | frozen-weights-move | 1 points | asleep, and learning
def train_head(model, loader, loss_fn, epochs, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.eval()
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


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | head-frozen-too | 1 points | nothing learns any more
def train_head(model, loader, loss_fn, epochs, lr):
    model.train()
    model.backbone.eval()
    losses = []
    for _ in range(epochs):
        with torch.no_grad():
            pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in loader]
        losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | batch-mean-of-means | 1 points | the losses are averaged by batch
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.eval()
        total, count = 0.0, 0
        for x, y in loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            count += 1
        losses.append(total / count)
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | zero-grad-missing | 1 points | the gradients are no longer cleared
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.eval()
        total, count = 0.0, 0
        for x, y in loader:
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            count += len(y)
        losses.append(total / count)
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | grad-mode-leaked | 1 points | a bare switch, off when the last loss has been added up
def train_head(model, loader, loss_fn, epochs, lr):
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    model.backbone.eval()
    model.head.train()
    losses = []
    for _ in range(epochs):
        total, count = 0.0, 0
        for x, y in loader:
            torch.set_grad_enabled(False)
            features = model.backbone(x)
            torch.set_grad_enabled(True)
            loss = loss_fn(model.head(features), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            torch.set_grad_enabled(False)
            total += loss.item() * len(y)
            count += len(y)
        losses.append(total / count)
    return losses


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | freeze-undone-by-train | only BatchNorm1d and Dropout are put to rest, not BatchNorm2d
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        for module in model.backbone.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.Dropout)):
                module.eval()
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


case_05 = ("bn-drifts-when-frozen", train_head)

# %% wrong | parameter-grads-touched | the flag is misspelt, and the backbone gathers gradients
def train_head(model, loader, loss_fn, epochs, lr):
    for parameter in model.backbone.parameters():
        parameter.require_grad = False
    optimizer = torch.optim.SGD(model.head.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        model.train()
        model.backbone.eval()
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


case_05 = ("bn-drifts-when-frozen", train_head)
