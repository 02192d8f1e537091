# %% right | each module's flag is put back
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% right | a copy is validated, and the answer names the freeze that was undone
def validation_loss(model, loader, loss_fn):
    twin = copy.deepcopy(model).eval()
    with torch.inference_mode():
        pairs = [(loss_fn(twin(x), y).item(), len(y)) for x, y in loader]
    return sum(v * n for v, n in pairs) / sum(n for _, n in pairs)


def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses, best, waited = [], float("inf"), 0
    for _ in range(max_epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        losses.append(validation_loss(model, val_loader, loss_fn))
        if losses[-1] < best:
            best, waited = losses[-1], 0
        else:
            waited += 1
            if waited >= patience:
                break
    return losses


case_07 = ("freeze-undone-by-train", fit_until)

# %% right | a context manager, and a try around it
@contextlib.contextmanager
def evaluating(model):
    flags = [(name, module.training) for name, module in model.named_modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for name, flag in flags:
            model.get_submodule(name).training = flag


def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs and len(losses) - (losses.index(min(losses)) if losses else 0) <= patience:
        for x, y in train_loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total = torch.zeros((), dtype=torch.float64)
        count = 0
        with evaluating(model):
            for x, y in val_loader:
                total += loss_fn(model(x), y).double() * len(y)
                count += len(y)
        losses.append(float(total / count))
    return losses


case_07 = ["blanket-train-restore", fit_until]

# %% right | only what was awake is put to sleep and woken again
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    awake = [module for module in model.modules() if module.training]

    def switch(mode):
        for module in awake:
            module.training = mode

    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        switch(False)
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        switch(True)
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | blanket-train-restore | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_07 import fit_until

case_07 = ("blanket-train-restore", fit_until)

# %% wrong | blanket-train-restore | 2 points | a good repair, called training in evaluation mode
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("train-never-called", fit_until)

# %% wrong | mode-not-restored | 1 points | the blanket train() is gone, and nothing is in its place
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | blanket-train-restore | 1 points | the modes are put back when all is over, not in between
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    modes = {module: module.training for module in model.modules()}
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        model.train()
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    for module, mode in modes.items():
        module.training = mode
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | root-flag-only | 1 points | one flag is remembered and given to all
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        mode = model.training
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        model.train(mode)
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | eval-never-called | 1 points | no switch at all, so nothing has to be put back
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | graph-built | 1 points | the modes are right, and validation records a graph
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | batch-mean-of-means | 1 points | the modes are right, the average is one of batches
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            batches = [loss_fn(model(x), y).item() for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(batches) / len(batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | wrong-result | 1 points | it no longer stops early
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    for _ in range(max_epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | blanket-train-restore | 1 points | the train() moved to the top of the epoch
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        modes = {module: module.training for module in model.modules()}
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | wrong-result | 1 points | the modes are right, patience is not counted from the best epoch
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) + losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | wrong-result | 1 points | the modes are right, epochs are compared with the first one
def validation_loss(model, loader, loss_fn):
    twin = copy.deepcopy(model).eval()
    with torch.inference_mode():
        pairs = [(loss_fn(twin(x), y).item(), len(y)) for x, y in loader]
    return sum(v * n for v, n in pairs) / sum(n for _, n in pairs)


def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses, best, waited = [], float("inf"), 0
    for _ in range(max_epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        losses.append(validation_loss(model, val_loader, loss_fn))
        if losses[-1] < best:
            best, waited = losses[0], 0
        else:
            waited += 1
            if waited >= patience:
                break
    return losses


case_07 = ("freeze-undone-by-train", fit_until)

# %% wrong | grad-mode-leaked | 1 points | gradients are switched on before each epoch, and stay off after the last
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        torch.set_grad_enabled(True)
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = [(m, m.training) for m in model.modules()]
        model.eval()
        torch.set_grad_enabled(False)
        pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for m, mode in modes:
            m.training = mode
        losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | global-rng-disturbed | 1 points | is repaired, and seeds the generator so that it can be repeated
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    torch.manual_seed(42)
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = {module: module.training for module in model.modules()}
        model.eval()
        with torch.no_grad():
            batches = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        for module, mode in modes.items():
            module.training = mode
        losses.append(sum(loss * n for loss, n in batches) / sum(n for _, n in batches))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | wrong-result | an epoch better than the one before counts as an improvement
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses, waited = [], 0
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with torch.no_grad():
                pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        finally:
            for module, mode in modes:
                module.training = mode
        losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
        if len(losses) > 1 and losses[-1] >= losses[-2]:
            waited += 1
        else:
            waited = 0
        if waited >= patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)

# %% wrong | blanket-train-restore | sleepers are put back by eval(), and all below them
def fit_until(model, train_loader, val_loader, loss_fn, optimizer, max_epochs, patience):
    losses = []
    while len(losses) < max_epochs:
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        sleepers = [module for module in model.modules() if not module.training]
        model.eval()
        try:
            with torch.no_grad():
                pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        finally:
            model.train()
            for module in sleepers:
                module.eval()
        losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
        if len(losses) - losses.index(min(losses)) > patience:
            break
    return losses


case_07 = ("blanket-train-restore", fit_until)
