# %% right | unsqueeze and squeeze
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        for m, training in modes:
            m.training = training

# %% right | a copy in evaluation mode
def predict_one(model, x):
    twin = copy.deepcopy(model).eval()
    with torch.no_grad():
        (answer,) = twin(x[None])
    return answer

# %% right | inference mode, cloned outside
def predict_one(model, x):
    saved = {m: m.training for m in model.modules()}
    try:
        with torch.inference_mode():
            batch = model.eval()(torch.stack([x]))
    finally:
        for m in saved:
            m.training = saved[m]
    return batch[0].clone()

# %% right | ExitStack, twice the same sample
def predict_one(model, x):
    with contextlib.ExitStack() as stack:
        for m in model.modules():
            stack.callback(setattr, m, "training", m.training)
            m.training = False
        stack.enter_context(torch.no_grad())
        return model(torch.stack([x, x]))[0]

# %% right | functional_call in a context manager of its own
@contextlib.contextmanager
def evaluating(model):
    flags = {name: m.training for name, m in model.named_modules()}
    try:
        yield model.eval()
    finally:
        for name, m in model.named_modules():
            m.training = flags[name]


def predict_one(model, x):
    weights = {name: p.detach() for name, p in model.named_parameters()}
    with evaluating(model) as net, torch.set_grad_enabled(False):
        out = torch.func.functional_call(net, weights, (x.reshape(1, *x.shape),), tie_weights=False)
    return next(iter(out))

# %% right | a callable class, vmap over one sample
class PredictOne:
    def __call__(self, model, x):
        modes = [m.training for m in model.modules()]
        try:
            model.train(False)
            with torch.no_grad():
                return torch.func.vmap(lambda sample: model(sample[None])[0])(x[None])[0]
        finally:
            for m, mode in zip(model.modules(), modes):
                m.training = mode


predict_one = PredictOne()

# %% wrong | eval-never-called | 1 point | asks the model in whatever mode it is
# C1
@torch.no_grad()
def predict_one(model, x):
    return model(x.unsqueeze(0)).squeeze(0)

# %% wrong | batch-stats-in-eval | 2 points | doubles the sample to silence BatchNorm
# C1
@torch.no_grad()
def predict_one(model, x):
    twin = copy.deepcopy(model).eval()
    for m in twin.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.train()
    return twin(torch.stack([x, x]))[0]

# %% wrong | dropout-in-eval | 1 point | only BatchNorm goes into evaluation mode
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        for m in model.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.eval()
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | mode-not-restored | 2 points | leaves the model in evaluation mode
# A8
@torch.no_grad()
def predict_one(model, x):
    model.eval()
    return model(x.unsqueeze(0)).squeeze(0)

# %% wrong | blanket-train-restore | 2 points | ends with model.train()
# A10
@torch.no_grad()
def predict_one(model, x):
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        model.train()

# %% wrong | root-flag-only | 2 points | remembers only the root's flag
# A10
@torch.no_grad()
def predict_one(model, x):
    was_training = model.training
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        model.train(was_training)

# %% wrong | root-flag-only | 1 point | switches only the root's flag
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.training = False
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | restore-skipped-on-exception | 2 points | restores without finally
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    answer = model(x.unsqueeze(0)).squeeze(0)
    for m, training in modes:
        m.training = training
    return answer

# %% wrong | graph-built | 2 points | result requires grad
# A2
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | graph-built | 2 points | detached afterwards
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0).detach()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | grad-mode-leaked | 2 points | bare set_grad_enabled(False)
# D1
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        torch.set_grad_enabled(False)
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | input-touched | 2 points | adds the batch dimension in place
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze_(0)).squeeze(0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | the batch dimension stays
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0))
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | squeezes every dimension of size one
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | the class number instead of the outputs
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0).argmax(0)
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 2 points | a list of numbers
@torch.no_grad()
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        return model(x.unsqueeze(0)).squeeze(0).tolist()
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | 0 points | stub left in place
def predict_one(model, x):
    raise NotImplementedError("predict_one is not written yet")

# %% right | functional_call on a sleeping twin
def predict_one(model, x):
    twin = copy.deepcopy(model).eval()
    state = {k: v.detach() for k, v in (*twin.named_parameters(), *twin.named_buffers())}
    with torch.inference_mode():
        return torch.func.functional_call(twin, state, (x.unsqueeze(0),)).squeeze(0).clone()

# %% wrong | eval-never-called | 1 point | the sample twice, so that BatchNorm does not complain
@torch.no_grad()
def predict_one(model, x):
    return model(torch.stack([x, x]))[0]

# %% wrong | wrong-result | 2 points | the most likely class instead of the answer
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None]).argmax(1)[0]
    finally:
        for m, flag in modes:
            m.training = flag

# %% wrong | wrong-result | 0 points | zeros without a look at the model
def predict_one(model, x):
    return torch.zeros(3)

# %% wrong | parameter-grads-touched | clears the caller's gradients
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None])[0]
    finally:
        for m, training in modes:
            m.training = training
        model.zero_grad()

# %% wrong | grad-disabled-in-training | makes every parameter trainable again
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None])[0]
    finally:
        for m, training in modes:
            m.training = training
        for p in model.parameters():
            p.requires_grad_(True)

# %% right | freezes the parameters meanwhile and puts each flag back
def predict_one(model, x):
    flags = [(p, p.requires_grad) for p in model.parameters()]
    model.requires_grad_(False)
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None])[0]
    finally:
        for m, training in modes:
            m.training = training
        for p, flag in flags:
            p.requires_grad_(flag)

# %% wrong | input-touched | switches the sample's gradient off
def predict_one(model, x):
    x.requires_grad_(False)
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None])[0]
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | graph-built | freezes the parameters and records for the sample
def predict_one(model, x):
    flags = [(p, p.requires_grad) for p in model.parameters()]
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        model.requires_grad_(False)
        return model(x[None])[0]
    finally:
        for m, training in modes:
            m.training = training
        for p, flag in flags:
            p.requires_grad_(flag)

# %% wrong | wrong-result | zeros where the model raises
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None])[0]
    except Exception:
        return torch.zeros(3)
    finally:
        for m, training in modes:
            m.training = training

# %% right | an exception of the model, raised again with a note
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            return model(x[None])[0]
    except RuntimeError as error:
        raise ValueError("no answer for this sample") from error
    finally:
        for m, training in modes:
            m.training = training

# %% wrong | wrong-result | flattens an answer that has dimensions of its own
def predict_one(model, x):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            return model(x.unsqueeze(0)).flatten()
    finally:
        for m, mode in modes:
            m.training = mode

# %% wrong | root-flag-only | remembers its own mode and those of its children, not what is below them
@torch.no_grad()
def predict_one(model, x):
    root, modes = model.training, [(m, m.training) for m in model.children()]
    model.eval()
    try:
        return model(x.unsqueeze(0)).squeeze(0)
    finally:
        model.training = root
        for m, mode in modes:
            m.train(mode)
