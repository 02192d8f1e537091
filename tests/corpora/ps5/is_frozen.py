# %% right | clones by name
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% right | a deep copy to compare with
def is_frozen(module, step):
    twin = copy.deepcopy(module)
    step()
    pairs = zip([*twin.parameters(), *twin.buffers()], [*module.parameters(), *module.buffers()])
    return all(torch.equal(old, new) for old, new in pairs)

# %% right | loops with an early return
import itertools


def state(module):
    for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers()):
        yield name, tensor.detach()


def is_frozen(module, step) -> bool:
    snapshot = [(name, tensor.clone()) for name, tensor in state(module)]
    step()
    now = dict(state(module))
    for name, tensor in snapshot:
        if name not in now or not torch.equal(tensor, now[name]):
            return False
    return len(now) == len(snapshot)

# %% right | module by module, private dictionaries
class FrozenCheck:
    def photograph(self, module):
        return [
            (path, name, None if t is None else t.detach().clone())
            for path, m in module.named_modules()
            for name, t in [*m._parameters.items(), *m._buffers.items()]
        ]

    def __call__(self, module, step):
        before = self.photograph(module)
        step()
        after = self.photograph(module)
        if [row[:2] for row in before] != [row[:2] for row in after]:
            return False
        for (_, _, a), (_, _, b) in zip(before, after):
            if (a is None) != (b is None) or (a is not None and not torch.equal(a, b)):
                return False
        return True


is_frozen = FrozenCheck()

# %% right | a context manager that compares on leaving
@contextlib.contextmanager
def watch(module):
    result = {}
    old = [t.detach().clone() for t in [*module.parameters(), *module.buffers()]]
    yield result
    new = [*module.parameters(), *module.buffers()]
    result["same"] = len(old) == len(new) and all(map(torch.equal, old, new))


def is_frozen(module, step):
    with watch(module) as result:
        step()
    return result["same"]

# %% wrong | buffers-forgotten | 2 points | compares parameters only
# C24
def is_frozen(module, step):
    tensors = lambda: dict(module.named_parameters())
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | buffers-forgotten | 2 points | state_dict leaves out what is not persistent
def is_frozen(module, step):
    tensors = lambda: module.state_dict()
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | buffers-forgotten | 2 points | skips whole-number buffers
def is_frozen(module, step):
    tensors = lambda: {n: t for n, t in [*module.named_parameters(), *module.named_buffers()] if t.is_floating_point()}
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | best-state-aliased | 1 point | keeps references, not copies
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | best-state-aliased | 1 point | compares the state dict with itself
def is_frozen(module, step):
    before = dict(module.named_parameters()), dict(module.named_buffers())
    step()
    after = dict(module.named_parameters()), dict(module.named_buffers())
    return all(torch.equal(a[k], b[k]) for a, b in zip(before, after) for k in a)

# %% wrong | frozen-weights-move | 0 points | believes requires_grad
# C7
def is_frozen(module, step):
    step()
    return not any(p.requires_grad for p in module.parameters())

# %% wrong | frozen-weights-move | 1 point | believes requires_grad for the buffers
# C7
def is_frozen(module, step):
    tensors = lambda: dict(module.named_parameters()) if not all(not p.requires_grad for p in module.parameters()) else {}
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | frozen-weights-move | 1 point | compares only what requires grad
# D12
def is_frozen(module, step):
    tensors = lambda: dict([*((n, p) for n, p in module.named_parameters() if p.requires_grad), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | wrong-result | 0 points | never runs the step
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | wrong-result | 0 points | runs the step before it looks
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    step()
    before = {name: t.detach().clone() for name, t in tensors().items()}
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | wrong-result | 2 points | close counts as equal
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.allclose(before[name].double(), after[name].double(), rtol=1e-2, atol=1e-2) for name in before)

# %% wrong | wrong-result | 1 point | compares version counters
def is_frozen(module, step):
    before = {n: t._version for n, t in [*module.named_parameters(), *module.named_buffers()]}
    step()
    # A tensor that was written the same values counts as changed.
    return before == {n: t._version for n, t in [*module.named_parameters(), *module.named_buffers()]}

# %% wrong | wrong-result | 0 points | one unchanged tensor is enough
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() == after.keys() and any(torch.equal(before[name], after[name]) for name in before)

# %% wrong | wrong-result | 0 points | the answer the wrong way round
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    return before.keys() != after.keys() or any(not torch.equal(before[name], after[name]) for name in before)

# %% wrong | parameters-changed | 2 points | undoes the step
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    answer = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    with torch.no_grad():
        for name, t in after.items():
            t.copy_(before[name])
    return answer

# %% wrong | mode-not-restored | 1 point | runs the step in evaluation mode
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    module.eval()
    step()
    after = tensors()
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)

# %% wrong | tensor-not-float | 2 points | returns a tensor
def is_frozen(module, step):
    tensors = lambda: dict([*module.named_parameters(), *module.named_buffers()])
    before = {name: t.detach().clone() for name, t in tensors().items()}
    step()
    after = tensors()
    same = [(before[name] == after[name]).all() for name in before]
    return torch.stack(same).all()

# %% wrong | wrong-result | 0 points | always frozen
def is_frozen(module, step):
    step()
    return True

# %% wrong | wrong-result | 0 points | stub left in place
def is_frozen(module, step):
    raise NotImplementedError("is_frozen is not written yet")

# %% wrong | grad-disabled-in-training | 2 points | runs the step under no_grad
@torch.no_grad()
def is_frozen(module, step):
    before = [t.clone() for t in (*module.parameters(), *module.buffers())]
    step()
    return all(torch.equal(a, b) for a, b in zip(before, (*module.parameters(), *module.buffers())))

# %% wrong | frozen-weights-move | 0 points | believes flags and gradients
def is_frozen(module, step):
    step()
    return all(not p.requires_grad or p.grad is None for p in module.parameters())

# %% right | no flag is asked, a step without a change is found by its values
def is_frozen(module, step):
    def values():
        return {n: t.detach().clone() for n, t in [*module.named_parameters(), *module.named_buffers()]}

    before = values()
    step()
    after = values()
    return before.keys() == after.keys() and all(map(torch.equal, before.values(), after.values()))

# %% wrong | frozen-weights-move | 1 point | flags off and evaluation mode are taken for an answer
def is_frozen(module, step):
    tensors = [*module.parameters(), *module.buffers()]
    before = [t.detach().clone() for t in tensors]
    off = not any(p.requires_grad for p in module.parameters()) and not any(m.training for m in module.modules())
    step()
    after = [*module.parameters(), *module.buffers()]
    return off or all(torch.equal(a, b) for a, b in zip(before, after))

# %% wrong | buffers-forgotten | 2 points | the state dict and the module's own buffers
def is_frozen(module, step):
    def values():
        own = {n: b for n, b in module._buffers.items() if b is not None}
        return {n: t.detach().clone() for n, t in {**module.state_dict(), **own}.items()}

    before = values()
    step()
    after = values()
    return all(torch.equal(before[n], after[n]) for n in before)

# %% wrong | parameter-grads-touched | 2 points | clears the gradients at the end
def is_frozen(module, step):
    before = [t.detach().clone() for t in [*module.parameters(), *module.buffers()]]
    step()
    after = [*module.parameters(), *module.buffers()]
    same = all(torch.equal(a, b) for a, b in zip(before, after))
    module.zero_grad()
    return same
