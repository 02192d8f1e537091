# %% right | eval() before, each module's flag put back after
def test_report(model, loader):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    with torch.inference_mode():
        for x, y in loader:
            largest, predicted = model(x).softmax(dim=1).max(dim=1)
            correct += (predicted == y).sum().item()
            confidence += largest.sum().item()
            count += len(y)
    for module, mode in modes.items():
        module.training = mode
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% right | a copy in evaluation mode, the model itself is not touched
def test_report(model, loader):
    frozen = copy.deepcopy(model).eval()
    with torch.no_grad():
        rows = [(frozen(x).softmax(1), y) for x, y in loader]
    p, y = torch.cat([r[0] for r in rows]), torch.cat([r[1] for r in rows])
    return {"accuracy": (p.argmax(1) == y).double().mean().item(), "confidence": p.amax(1).double().mean().item()}


case_01 = ["eval-never-called", test_report]

# %% right | a context manager of its own, and a dict for an answer
@contextlib.contextmanager
def evaluating(model):
    modes = [(m, m.training) for m in model.modules()]
    model.train(False)
    try:
        yield
    finally:
        for m, mode in modes:
            m.training = mode


@torch.no_grad()
def repaired(model, loader):
    hits, sure = [], []
    with evaluating(model):
        for x, y in loader:
            p = F.softmax(model(x), dim=-1)
            hits += (p.argmax(-1) == y).tolist()
            sure += p.max(-1).values.tolist()
    return {"confidence": sum(sure) / len(sure), "accuracy": sum(hits) / len(hits)}


case_01 = {"misconception": "eval-never-called", "repair": repaired}

# %% right | torch.func.functional_call on a shallow skeleton, handed in by a function
def make():
    def report(model, loader):
        skeleton = copy.deepcopy(model).eval()
        state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        n = hit = 0
        sure = 0.0
        for x, y in loader:
            with torch.no_grad():
                p = torch.func.functional_call(skeleton, state, (x,)).softmax(1)
            hit += int((p.argmax(1) == y).sum())
            sure += float(p.max(1)[0].sum())
            n += y.shape[0]
        return {"accuracy": hit / n, "confidence": sure / n}

    return "eval-never-called", report


case_01 = make

# %% wrong | eval-never-called | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_01 import test_report

case_01 = ("eval-never-called", test_report)

# %% wrong | eval-never-called | 2 points | a good repair under the name of what no_grad does
def test_report(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            largest, predicted = model(x).softmax(dim=1).max(dim=1)
            correct += (predicted == y).sum().item()
            confidence += largest.sum().item()
            count += len(y)
    for m, mode in modes:
        m.training = mode
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("graph-built", test_report)

# %% wrong | mode-not-restored | 1 points | evaluation mode is left behind
@torch.inference_mode()
def test_report(model, loader):
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% wrong | blanket-train-restore | 1 points | everything is put in training mode afterwards
@torch.inference_mode()
def test_report(model, loader):
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    model.train()
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% wrong | root-flag-only | 1 points | only the model's own flag is set
@torch.inference_mode()
def test_report(model, loader):
    mode, model.training = model.training, False
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    model.training = mode
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% right | evaluation mode came, inference mode went: no word of the docstring asks for it
def test_report(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    for m, mode in modes:
        m.training = mode
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% wrong | batch-stats-in-eval | 1 points | only the dropout layers are calmed
@torch.inference_mode()
def test_report(model, loader):
    drops = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    modes = [m.training for m in drops]
    for m in drops:
        m.eval()
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    for m, mode in zip(drops, modes):
        m.training = mode
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% wrong | batch-mean-of-means | 1 points | evaluation mode is right, the average is one of batches now
@torch.inference_mode()
def test_report(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    rows = []
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        rows.append(((predicted == y).float().mean().item(), largest.mean().item()))
    for m, mode in modes:
        m.training = mode
    return {"accuracy": sum(r[0] for r in rows) / len(rows), "confidence": sum(r[1] for r in rows) / len(rows)}


case_01 = ("eval-never-called", test_report)

# %% wrong | tensor-not-float | 1 points | tensors come back
@torch.inference_mode()
def test_report(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum()
        confidence += largest.sum()
        count += len(y)
    for m, mode in modes:
        m.training = mode
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% wrong | wrong-result | 1 points | killed instead of cured: always the same numbers
def test_report(model, loader):
    return {"accuracy": 1.0, "confidence": 1.0}


case_01 = ("eval-never-called", test_report)

# %% wrong | wrong-result | 0 points | nothing is written yet
def test_report(model, loader):
    raise NotImplementedError


case_01 = ("", test_report)

# %% wrong | eval-never-called | 0 points | a name that does not exist, and a program that averages logits over three runs
@torch.inference_mode()
def test_report(model, loader):
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = sum(model(x) for _ in range(3)).div(3).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("dropout-averaged-out", test_report)

# %% wrong | root-flag-only | 1 points | modes are put back for the model and its children, each with all below it
@torch.inference_mode()
def test_report(model, loader):
    mode, modes = model.training, [(child, child.training) for child in model.children()]
    model.eval()
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        largest, predicted = model(x).softmax(dim=1).max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    model.train(mode)
    for child, flag in modes:
        child.train(flag)
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)

# %% wrong | eval-never-called | the children are put in evaluation mode, the model itself is not
@torch.inference_mode()
def test_report(model, loader):
    flags = [(module, module.training) for module in model.modules()]
    for child in model.children():
        child.eval()
    try:
        correct, confidence, count = 0, 0.0, 0
        for x, y in loader:
            largest, predicted = model(x).softmax(dim=1).max(dim=1)
            correct += (predicted == y).sum().item()
            confidence += largest.sum().item()
            count += len(y)
    finally:
        for module, flag in flags:
            module.training = flag
    return {"accuracy": correct / count, "confidence": confidence / count}


case_01 = ("eval-never-called", test_report)
