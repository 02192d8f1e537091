# %% right | set_grad_enabled as a context
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            with torch.set_grad_enabled(phase == "train"):
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


case_02 = ("grad-mode-leaked", run_phases)

# %% right | the bare calls stay, and a finally puts the caller's mode back
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    found = torch.is_grad_enabled()
    history = {"train": [], "val": []}
    try:
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
    finally:
        torch.set_grad_enabled(found)
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% right | two decorated functions
@torch.enable_grad()
def train_epoch(model, loader, loss_fn, optimizer):
    model.train()
    pairs = []
    for x, y in loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pairs.append((loss.item(), len(y)))
    return pairs


@torch.inference_mode()
def val_epoch(model, loader, loss_fn, optimizer):
    model.eval()
    return [(loss_fn(model(x), y).item(), len(y)) for x, y in loader]


def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase, run in (("train", train_epoch), ("val", val_epoch)):
            pairs = run(model, loaders[phase], loss_fn, optimizer)
            history[phase].append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% right | an ExitStack holds the switch for one phase
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for epoch in range(epochs):
        for phase in history:
            learning = phase == "train"
            losses = torch.zeros(0, dtype=torch.float64)
            sizes = torch.zeros(0, dtype=torch.float64)
            with contextlib.ExitStack() as stack:
                stack.enter_context(torch.enable_grad() if learning else torch.no_grad())
                model.train(learning)
                for x, y in loaders[phase]:
                    optimizer.zero_grad(set_to_none=False) if learning else None
                    loss = loss_fn(model(x), y)
                    if learning:
                        loss.backward()
                        optimizer.step()
                    losses = torch.cat([losses, loss.detach().double().view(1)])
                    sizes = torch.cat([sizes, torch.tensor([float(len(y))]).double()])
            history[phase].append(((losses * sizes).sum() / sizes.sum()).item())
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | grad-mode-leaked | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_02 import run_phases

case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | grad-mode-leaked | 2 points | a good repair, taken for gradients that are off in training
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            with torch.set_grad_enabled(phase == "train"):
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


case_02 = ("grad-disabled-in-training", run_phases)

# %% wrong | grad-mode-leaked | 1 points | it is switched on at the end, whoever calls
def run_phases(model, loaders, loss_fn, optimizer, epochs):
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
    torch.set_grad_enabled(True)
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | restore-skipped-on-exception | 1 points | put back when all goes well
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    found = torch.is_grad_enabled()
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
    torch.set_grad_enabled(found)
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | grad-disabled-in-training | 1 points | training relies on the caller's grad mode
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            with contextlib.nullcontext() if phase == "train" else torch.no_grad():
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


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | graph-built | 1 points | the switch is gone altogether
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            with torch.enable_grad():
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


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | eval-never-called | 1 points | the context replaced the mode as well
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    model.train()
    for _ in range(epochs):
        for phase in ("train", "val"):
            with torch.set_grad_enabled(phase == "train"):
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


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | batch-mean-of-means | 1 points | the batch losses are averaged without their sizes
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            with torch.set_grad_enabled(phase == "train"):
                losses = []
                for x, y in loaders[phase]:
                    loss = loss_fn(model(x), y)
                    if phase == "train":
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                    losses.append(loss.item())
                history[phase].append(sum(losses) / len(losses))
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | zero-grad-missing | 1 points | the gradients are no longer cleared
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    history = {"train": [], "val": []}
    for _ in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            with torch.set_grad_enabled(phase == "train"):
                total, count = 0.0, 0
                for x, y in loaders[phase]:
                    loss = loss_fn(model(x), y)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                    total += loss.item() * len(y)
                    count += len(y)
                history[phase].append(total / count)
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)

# %% wrong | grad-disabled-in-training | 1 points | no training, no leak
@torch.no_grad()
def run_phases(model, loaders, loss_fn, optimizer, epochs):
    model.eval()
    history = {"train": [], "val": []}
    for phase in history:
        pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in loaders[phase]]
        history[phase] = [sum(v * n for v, n in pairs) / sum(n for _, n in pairs)] * epochs
    model.train()
    return history


case_02 = ("grad-mode-leaked", run_phases)
