# %% right | zip of parameters, zip of buffers
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% right | lerp_ by name
def ema_update(ema_model, model, decay):
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    with torch.no_grad():
        for name, average in ema_model.named_parameters():
            average.lerp_(parameters[name], 1 - decay)
        for name, buffer in ema_model.named_buffers():
            buffer.copy_(buffers[name])

# %% right | foreach functions
@torch.inference_mode(False)
@torch.no_grad()
def ema_update(ema_model, model, decay):
    averages = list(ema_model.parameters())
    torch._foreach_mul_(averages, decay)
    torch._foreach_add_(averages, list(model.parameters()), alpha=1.0 - decay)
    for ours, theirs in zip(ema_model.buffers(), model.buffers(), strict=True):
        ours.copy_(theirs)

# %% right | detached views instead of no_grad
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        view = average.detach()
        view.copy_(decay * view + (1 - decay) * p.detach())
    for ours, theirs in zip(ema_model.buffers(), model.buffers()):
        ours.detach().copy_(theirs.detach())

# %% right | module by module, without visiting any tensor twice
class EmaUpdate:
    def __init__(self):
        self.rules = {"_parameters": self.average, "_buffers": self.copy}

    @staticmethod
    def average(ours, theirs, decay):
        ours.data.mul_(decay).add_(theirs.data * (1 - decay))

    @staticmethod
    def copy(ours, theirs, decay):
        ours.data.copy_(theirs.data)

    def __call__(self, ema_model, model, decay):
        done = set()
        for ours, theirs in zip(ema_model.modules(), model.modules()):
            for table, rule in self.rules.items():
                for name, tensor in getattr(ours, table).items():
                    if tensor is not None and id(tensor) not in done:
                        done.add(id(tensor))
                        rule(tensor, getattr(theirs, table)[name], decay)


ema_update = EmaUpdate()

# %% right | new values computed, then copied in
def ema_update(ema_model, model, decay):
    with torch.set_grad_enabled(False):
        targets = [*ema_model.parameters(), *ema_model.buffers()]
        values = [e * decay + p * (1 - decay) for e, p in zip(ema_model.parameters(), model.parameters())]
        values += [b.clone() for b in model.buffers()]
        for target, value in zip(targets, values):
            target.copy_(value)

# %% wrong | buffers-forgotten | 2 points | only the parameters
# C24
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)

# %% wrong | momentum-reversed | 2 points | decay as the share of the new weights
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(1 - decay).add_(p, alpha=decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | parameters-changed | 1 point | the roles swapped
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        p.mul_(1 - decay).add_(average, alpha=decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | parameters-changed | 2 points | scales the model's weights in place
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p.mul_(1 - decay))
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | graph-built | 1 point | new parameters that hang on both models
def ema_update(ema_model, model, decay):
    theirs = dict(model.named_parameters())
    for name, average in list(ema_model.named_parameters()):
        parent, _, leaf = name.rpartition(".")
        module = ema_model.get_submodule(parent)
        # A plain tensor with a graph takes the parameter's place.
        del module._parameters[leaf]
        setattr(module, leaf, decay * average + (1 - decay) * theirs[name])
    with torch.no_grad():
        for copied, b in zip(ema_model.buffers(), model.buffers()):
            copied.copy_(b)

# %% wrong | graph-built | 0 points | in place with gradients on
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | grad-mode-leaked | 2 points | bare set_grad_enabled(False)
# D1
def ema_update(ema_model, model, decay):
    torch.set_grad_enabled(False)
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | best-state-aliased | 2 points | the buffers are the model's own tensors
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for ours, theirs in zip(ema_model.modules(), model.modules()):
        for name, buffer in theirs.named_buffers(recurse=False):
            setattr(ours, name, buffer)

# %% wrong | wrong-result | 2 points | averages the buffers too
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(decay * copied + (1 - decay) * b)

# %% wrong | wrong-result | 2 points | copies the weights without averaging
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.copy_(p)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | wrong-result | 2 points | new Parameter objects
@torch.no_grad()
def ema_update(ema_model, model, decay):
    theirs = dict(model.named_parameters())
    for name, average in list(ema_model.named_parameters()):
        parent, _, leaf = name.rpartition(".")
        value = decay * average + (1 - decay) * theirs[name]
        setattr(ema_model.get_submodule(parent), leaf, nn.Parameter(value, average.requires_grad))
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | wrong-result | 2 points | forgets to shrink the old average
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.add_(p, alpha=1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | wrong-result | 0 points | returns an averaged copy
@torch.no_grad()
def ema_update(ema_model, model, decay):
    result = copy.deepcopy(ema_model)
    for average, p in zip(result.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for copied, b in zip(result.buffers(), model.buffers()):
        copied.copy_(b)
    return result

# %% wrong | wrong-result | 0 points | stub left in place
def ema_update(ema_model, model, decay):
    raise NotImplementedError("ema_update is not written yet")

# %% right | foreach on the data
def ema_update(ema_model, model, decay):
    mine, theirs = ([p.data for p in m.parameters()] for m in (ema_model, model))
    torch._foreach_mul_(mine, decay)
    torch._foreach_add_(mine, [p * (1 - decay) for p in theirs])
    for name, buffer in model.named_buffers():
        ema_model.get_buffer(name).copy_(buffer)

# %% right | a new state dict, loaded
@torch.no_grad()
def ema_update(ema_model, model, decay):
    old, new = ema_model.state_dict(), model.state_dict()
    learned = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    ema_model.load_state_dict({k: v.lerp(old[k], decay) if k in learned else v for k, v in new.items()})
    for ours, theirs in zip(ema_model.buffers(), model.buffers()):
        ours.copy_(theirs)  # also those that no state dict holds

# %% wrong | wrong-result | 1 point | copies everything
def ema_update(ema_model, model, decay):
    ema_model.load_state_dict(model.state_dict())

# %% wrong | best-state-aliased | 2 points | the buffers of the one become those of the other
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.mul_(decay).add_(p, alpha=1 - decay)
    for mine, theirs in zip(ema_model.modules(), model.modules()):
        for name in theirs._buffers:
            mine._buffers[name] = theirs._buffers[name]

# %% wrong | buffers-forgotten | 2 points | copies the buffers that the state dict holds
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.lerp_(p, 1 - decay)
    learned, theirs = dict(model.named_parameters(remove_duplicate=False)), model.state_dict()
    for name, value in ema_model.state_dict().items():
        if name not in learned:
            value.copy_(theirs[name])

# %% wrong | buffers-forgotten | 2 points | copies the buffers of BatchNorm layers alone
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.lerp_(p, 1 - decay)
    for ours, theirs in zip(ema_model.modules(), model.modules()):
        if isinstance(ours, nn.modules.batchnorm._BatchNorm):
            for copied, b in zip(ours.buffers(), theirs.buffers()):
                copied.copy_(b)

# %% wrong | wrong-result | 2 points | averages a tied weight once for each of its names
@torch.no_grad()
def ema_update(ema_model, model, decay):
    theirs = dict(model.named_parameters(remove_duplicate=False))
    for name, average in ema_model.named_parameters(remove_duplicate=False):
        average.mul_(decay).add_(theirs[name], alpha=1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% right | every name of a tied weight gets the value computed before
@torch.no_grad()
def ema_update(ema_model, model, decay):
    old, new = (dict(m.named_parameters(remove_duplicate=False)) for m in (ema_model, model))
    values = {name: decay * old[name] + (1 - decay) * new[name] for name in old}
    for name, value in values.items():
        old[name].copy_(value)
    for name, buffer in model.named_buffers(remove_duplicate=False):
        ema_model.get_buffer(name).copy_(buffer)

# %% wrong | wrong-result | 2 points | leaves out what the model does not learn
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        if p.requires_grad:
            average.lerp_(p, 1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)

# %% wrong | parameter-grads-touched | 2 points | clears the gradients of the average
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.lerp_(p, 1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)
    ema_model.zero_grad()

# %% wrong | mode-not-restored | 2 points | puts the average into evaluation mode
@torch.no_grad()
def ema_update(ema_model, model, decay):
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.lerp_(p, 1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)
    ema_model.eval()

# %% wrong | grad-mode-leaked | 2 points | switches gradients on for a caller that has them off
def ema_update(ema_model, model, decay):
    torch.set_grad_enabled(False)
    for average, p in zip(ema_model.parameters(), model.parameters()):
        average.lerp_(p, 1 - decay)
    for copied, b in zip(ema_model.buffers(), model.buffers()):
        copied.copy_(b)
    torch.set_grad_enabled(True)
