# %% right | train() after each validation
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
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
                model.train()
    return losses


case_11 = ("mode-not-restored", train)

# %% right | validate puts each flag back
def validate(model, loader, loss_fn):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            total += loss_fn(model(x), y).item() * len(y)
            count += len(y)
    for m, mode in modes.items():
        m.training = mode
    return total / count


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
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


case_11 = ("mode-not-restored", train)

# %% right | train() before each step, found by its other name
def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    def measured():
        model.eval()
        with torch.inference_mode():
            pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
        return sum(v * n for v, n in pairs) / sum(n for _, n in pairs)

    losses, steps = [], 0
    for _ in range(epochs):
        for x, y in loader:
            model.train()
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if not steps % val_every:
                losses.append(measured())
    model.train()
    return losses


case_11 = ("train-never-called", train)

# %% right | a copy is validated
def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    model.train()
    losses, steps = [], 0
    for _ in range(epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss_fn(model(batch[0]), batch[1]).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                twin = copy.deepcopy(model).eval()
                with torch.no_grad():
                    z = torch.cat([twin(x) for x, _ in val_loader])
                losses.append(float(loss_fn(z, torch.cat([y for _, y in val_loader]))))
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | mode-not-restored | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_11 import train

case_11 = ("mode-not-restored", train)

# %% wrong | mode-not-restored | 2 points | a good repair, called a blanket restore
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
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
                model.train()
    return losses


case_11 = ("blanket-train-restore", train)

# %% wrong | mode-not-restored | 1 points | train() once more, when the epoch is over
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
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
        model.train()
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | root-flag-only | 1 points | only the model's own flag comes back
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
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
                model.training = True
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | eval-never-called | 1 points | no eval(), nothing to put back
def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                with torch.no_grad():
                    pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
                losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | train-never-called | 1 points | evaluation mode all the way, so that it cannot change
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    model.eval()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                losses.append(validate(model, val_loader, loss_fn))
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | wrong-result | 1 points | validation only where an epoch ends
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses = []
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
        losses.append(validate(model, val_loader, loss_fn))
    return losses


case_11 = ("mode-not-restored", train)

# %% right | modes as they should be, validation with gradients: the docstring leaves them open
def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                model.eval()
                pairs = [(loss_fn(model(x), y).item(), len(y)) for x, y in val_loader]
                losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
                model.train()
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | batch-mean-of-means | 1 points | modes as they should be, an average of batches
def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                model.eval()
                with torch.no_grad():
                    batches = [loss_fn(model(x), y).item() for x, y in val_loader]
                losses.append(sum(batches) / len(batches))
                model.train()
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | zero-grad-missing | 1 points | the gradients are no longer cleared
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                losses.append(validate(model, val_loader, loss_fn))
                model.train()
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | mode-not-restored | 1 points | train() before each step, and the model comes back in evaluation mode
from autograder.specs._clinic.case_11 import validate


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    for _ in range(epochs):
        for x, y in loader:
            model.train()
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                losses.append(validate(model, val_loader, loss_fn))
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | grad-mode-leaked | 1 points | gradients are switched on before each step, and stay off after the last validation
def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    for _ in range(epochs):
        for x, y in loader:
            model.train()
            torch.set_grad_enabled(True)
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                model.eval()
                torch.set_grad_enabled(False)
                pairs = [(loss_fn(model(a), b).item(), len(b)) for a, b in val_loader]
                losses.append(sum(v * n for v, n in pairs) / sum(n for _, n in pairs))
    model.train()
    return losses


case_11 = ("mode-not-restored", train)

# %% wrong | root-flag-only | calls train() only if the model's own flag is off
def validate(model, loader, loss_fn):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            total += loss_fn(model(x), y).item() * len(y)
            count += len(y)
    for m, mode in modes:
        m.training = mode
    return total / count


def train(model, loader, val_loader, loss_fn, optimizer, epochs, val_every):
    losses, steps = [], 0
    if not model.training:
        model.train()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            steps += 1
            if steps % val_every == 0:
                losses.append(validate(model, val_loader, loss_fn))
    return losses


case_11 = ("mode-not-restored", train)
