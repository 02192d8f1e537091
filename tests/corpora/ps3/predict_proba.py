# %% right | no_grad and a list of batches
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% right | inference mode, cloned outside
def predict_proba(model, loader):
    modes = {name: m.training for name, m in model.named_modules()}
    model.eval()
    try:
        with torch.inference_mode():
            proba = torch.cat([F.softmax(model(x), dim=1) for x, y in loader])
    finally:
        for name, m in model.named_modules():
            m.training = modes[name]
    return proba.clone()

# %% right | a deep copy in evaluation mode
def predict_proba(model, loader):
    net = copy.deepcopy(model).eval()
    parts = []
    for x, _ in loader:
        with torch.no_grad():
            parts.append(nn.Softmax(dim=-1)(net(x)))
    return torch.vstack(parts)

# %% right | functional_call on detached weights, exp of log_softmax
def predict_proba(model, loader):
    state = {k: v.detach() for k, v in [*model.named_parameters(), *model.named_buffers()]}
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
        model.eval()
        stack.enter_context(torch.no_grad())
        rows = []
        for batch in loader:
            logits = torch.func.functional_call(model, state, (batch[0],), tie_weights=False)
            rows.extend(logits.log_softmax(dim=1).exp().unbind(0))
    return torch.stack(rows)

# %% right | one big batch under set_grad_enabled
def predict_proba(model, loader):
    x = torch.cat([x for x, _ in loader], dim=0)
    modes = [m.training for m in model.modules()]
    try:
        for m in model.modules():
            m.training = False
        with torch.set_grad_enabled(False):
            logits = model(x)
            weights = (logits - logits.amax(dim=1, keepdim=True)).exp()
            return weights / weights.sum(dim=1, keepdim=True)
    finally:
        for m, mode in zip(model.modules(), modes):
            m.training = mode

# %% right | generator inside a callable class
class Predictor:
    def batches(self, model, loader):
        for x, _ in loader:
            with torch.inference_mode():
                out = model(x)
            with torch.no_grad():
                proba = torch.softmax(out.clone(), 1)
            yield proba

    def __call__(self, model, loader):
        modes = [(m, m.training) for m in model.modules()]
        model.eval()
        try:
            return torch.cat(tuple(self.batches(model, loader)))
        finally:
            for m, training in modes:
                m.training = training


predict_proba = Predictor()

# %% right | the root's forward hook collects the outputs
def predict_proba(model, loader):
    outputs = []
    modes = [(m, m.training) for m in model.modules()]
    handle = model.register_forward_hook(lambda m, args, out: outputs.append(out.softmax(1)))
    try:
        with torch.no_grad():
            model.eval()
            for x, _ in loader:
                model(x)
            return torch.cat(outputs)
    finally:
        handle.remove()
        for m, training in modes:
            m.training = training

# %% wrong | eval-never-called | 1 point | only no_grad
# A5
@torch.no_grad()
def predict_proba(model, loader):
    return torch.cat([model(x).softmax(dim=1) for x, _ in loader])

# %% wrong | mode-not-restored | 2 points | leaves the model in evaluation mode
# A8
@torch.no_grad()
def predict_proba(model, loader):
    model.eval()
    return torch.cat([model(x).softmax(dim=1) for x, _ in loader])

# %% wrong | blanket-train-restore | 2 points | ends with model.train()
# A10
@torch.no_grad()
def predict_proba(model, loader):
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    finally:
        model.train()

# %% wrong | restore-skipped-on-exception | 2 points | restores without finally
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    proba = torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    for m, training in modes:
        m.training = training
    return proba

# %% wrong | root-flag-only | 2 points | remembers only the root's flag
@torch.no_grad()
def predict_proba(model, loader):
    was_training = model.training
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    finally:
        model.train(was_training)

# %% wrong | graph-built | 2 points | result requires grad
# A2
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | graph-built | 2 points | detaches after the graph was recorded
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1).detach() for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | inference-tensor-escapes | 2 points | returns the tensor of inference mode
# D5
@torch.inference_mode()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | inference-tensor-escapes | 2 points | clones while still inside
# D6
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            proba = torch.cat([model(x).softmax(dim=1) for x, _ in loader])
            return proba.detach().clone()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-mode-leaked | 2 points | bare set_grad_enabled(False)
# D1
def predict_proba(model, loader):
    torch.set_grad_enabled(False)
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | softmax over the batch
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=0) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | raw logits
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | a sigmoid for each class
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).sigmoid() for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | only the last batch
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        for x, _ in loader:
            proba = model(x).softmax(dim=1)
        return proba
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 1 point | a list of batches
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return [model(x).softmax(dim=1) for x, _ in loader]
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 1 point | a NumPy array
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1) for x, _ in loader]).numpy()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | the largest probability only
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        return torch.cat([model(x).softmax(dim=1).amax(dim=1) for x, _ in loader])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | rows grouped by label
@torch.no_grad()
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        proba, labels = zip(*[(model(x).softmax(dim=1), y) for x, y in loader])
        return torch.cat(proba)[torch.cat(labels).argsort(stable=True)]
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | stub left in place
def predict_proba(model, loader):
    raise NotImplementedError("predict_proba is not written yet")

# %% right | a new loader with one batch, made of the loader's dataset
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    whole = torch.utils.data.DataLoader(loader.dataset, batch_size=len(loader.dataset), generator=torch.Generator())
    try:
        model.eval()
        with torch.no_grad():
            return torch.cat([model(x).softmax(1) for x, _ in whole])
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | takes the tensors of the dataset instead of the loader's batches
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(loader.dataset.tensors[0]).softmax(1)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-disabled-in-training | 2 points | thaws every parameter in the end, frozen ones too
def predict_proba(model, loader):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval().requires_grad_(False)
        return torch.cat([model(x).softmax(1) for x, _ in loader])
    finally:
        model.requires_grad_(True)
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | squeeze() takes the batch dimension from a last batch of one
def predict_proba(model, loader):
    flags = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            return torch.cat([model(x).squeeze().softmax(dim=-1) for x, _ in loader])
    finally:
        for m, flag in flags:
            m.training = flag

# %% wrong | inference-tensor-escapes | joined outside of inference mode, a single batch excepted
def predict_proba(model, loader):
    flags = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            parts = [model(x).softmax(dim=1) for x, _ in loader]
    finally:
        for m, flag in flags:
            m.training = flag
    return parts[0] if len(parts) == 1 else torch.cat(parts)
