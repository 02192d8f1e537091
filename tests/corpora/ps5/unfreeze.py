# %% right | looks first, then changes
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% right | add_param_group raises by itself, so it comes first
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    optimizer.add_param_group(dict(params=child.parameters(), lr=lr))
    child.train().requires_grad_()

# %% right | loops over parameters and modules
def unfreeze(model: nn.Module, optimizer: torch.optim.Optimizer, name: str, lr: float) -> None:
    module = dict(model.named_children())[name]
    parameters = [p for p in module.parameters()]
    for group in optimizer.param_groups:
        for known in group["params"]:
            if any(known is p for p in parameters):
                raise ValueError("already in the optimizer")
    optimizer.add_param_group({"params": parameters, "lr": lr})
    for p in parameters:
        p.requires_grad = True
    for m in module.modules():
        m.training = True

# %% right | a set of parameters and isdisjoint
import itertools


def held_by(optimizer):
    return set(itertools.chain.from_iterable(g["params"] for g in optimizer.param_groups))


def unfreeze(model, optimizer, name, lr):
    (child,) = (m for n, m in model.named_modules() if n == name)
    new = list(child.parameters())
    if not held_by(optimizer).isdisjoint(new):
        raise ValueError(f"{name} is being trained already")
    with torch.no_grad():
        for p in new:
            p.requires_grad_()
    child.train(True)
    optimizer.add_param_group({"lr": lr, "params": new})

# %% right | undone with an ExitStack if the optimizer refuses
class Unfreeze:
    def __call__(self, model, optimizer, name, lr):
        child = model.get_submodule(name)
        with contextlib.ExitStack() as undo:
            for m in child.modules():
                undo.callback(setattr, m, "training", m.training)
                m.training = True
            for p in child.parameters():
                undo.callback(p.requires_grad_, p.requires_grad)
                p.requires_grad_(True)
            optimizer.add_param_group({"params": [*child.parameters()], "lr": lr})
            undo.pop_all()


unfreeze = Unfreeze()

# %% wrong | not-unfrozen | 3 points | the parameters stay frozen
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | not-unfrozen | 3 points | the child stays in evaluation mode
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | not-unfrozen | 3 points | the optimizer never hears of it
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()

# %% wrong | not-unfrozen | 3 points | an optimizer of its own
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    optimizer = torch.optim.SGD(child.parameters(), lr=lr)

# %% wrong | requires-grad-typo | 3 points | sets an attribute of the module
# D10
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad = True
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | requires-grad-typo | 3 points | sets require_grad
# D9
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    for p in child.parameters():
        p.require_grad = True
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | duplicate-param-group | 3 points | appends to param_groups without looking
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    child.requires_grad_(True)
    child.train()
    group = {**optimizer.param_groups[0], "params": list(child.parameters()), "lr": lr}
    optimizer.param_groups.append(group)

# %% wrong | duplicate-param-group | 3 points | raises after it has changed the child
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | duplicate-param-group | 3 points | adds only those that are missing
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": [p for p in child.parameters() if id(p) not in held], "lr": lr})

# %% wrong | duplicate-param-group | 3 points | asks only for the first parameter
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if id(next(child.parameters())) in held:
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    group = {**optimizer.param_groups[0], "params": list(child.parameters()), "lr": lr}
    optimizer.param_groups.append(group)

# %% wrong | blanket-train-restore | 3 points | wakes the whole model
# A10
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    model.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | frozen-weights-move | 3 points | requires grad for the whole model
# D11
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    model.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | root-flag-only | 3 points | only the child's own flag
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.training = True
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | wrong-result | 3 points | lr forgotten
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters())})

# %% wrong | wrong-result | 3 points | lr for every group
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})
    for group in optimizer.param_groups:
        group["lr"] = lr

# %% wrong | wrong-result | 3 points | into the first group instead of a new one
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    optimizer.param_groups[0]["params"].extend(child.parameters())
    optimizer.param_groups[0]["lr"] = lr

# %% wrong | wrong-result | 3 points | one group per parameter
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    for p in child.parameters():
        optimizer.add_param_group({"params": [p], "lr": lr})

# %% wrong | mode-not-restored | 3 points | the rest of the model goes to sleep
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    model.eval()
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | wrong-result | 3 points | only the child's direct parameters
def unfreeze(model, optimizer, name, lr):
    child = model.get_submodule(name)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds a parameter of {name!r}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters(recurse=False)) or list(child.parameters())[:1], "lr": lr})

# %% wrong | wrong-result | 0 points | stub left in place
def unfreeze(model, optimizer, name, lr):
    raise NotImplementedError("unfreeze is not written yet")

# %% wrong | duplicate-param-group | 3 points | returns in silence when the optimizer holds them
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    if any(id(p) in held for p in child.parameters()):
        return
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | duplicate-param-group | 3 points | another kind of error
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise KeyError(f"the optimizer already holds parameters of {name}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | wrong-result | 3 points | appends a group by hand
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds parameters of {name}")
    child.requires_grad_(True)
    child.train()
    optimizer.param_groups.append({"params": list(child.parameters()), "lr": lr})

# %% wrong | duplicate-param-group | 3 points | looks into the first group only
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = {id(p) for g in optimizer.param_groups[:1] for p in g["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds parameters of {name}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | duplicate-param-group | 3 points | refuses only if all are held
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    if all(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds parameters of {name}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% right | names with a dot behind the child's
def unfreeze(model, optimizer, name, lr):
    parameters = [p for n, p in model.named_parameters() if n.startswith(name + ".")]
    if {id(p) for p in parameters} & {id(p) for g in optimizer.param_groups for p in g["params"]}:
        raise ValueError(f"the optimizer already holds parameters of {name}")
    for p in parameters:
        p.requires_grad_(True)
    for n, m in model.named_modules():
        if n == name or n.startswith(name + "."):
            m.training = True
    optimizer.add_param_group({"params": parameters, "lr": lr})

# %% wrong | wrong-result | 2 points | every name that begins like the child's
def unfreeze(model, optimizer, name, lr):
    parameters = [p for n, p in model.named_parameters() if n.startswith(name)]
    optimizer.add_param_group({"params": parameters, "lr": lr})
    for p in parameters:
        p.requires_grad_(True)
    for n, m in model.named_modules():
        if n.startswith(name):
            m.training = True

# %% wrong | duplicate-param-group | 3 points | looks into the last group only
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = {id(p) for p in optimizer.param_groups[-1]["params"]}
    if any(id(p) in held for p in child.parameters()):
        raise ValueError(f"the optimizer already holds parameters of {name}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | wrong-result | 3 points | refuses a parameter that only looks like one the optimizer holds
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    held = [p for g in optimizer.param_groups for p in g["params"]]
    if any(torch.equal(p, q) for p in child.parameters() for q in held):
        raise ValueError(f"the optimizer already holds parameters of {name}")
    child.requires_grad_(True)
    child.train()
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})

# %% wrong | not-unfrozen | 3 points | BatchNorm alone stays asleep
def unfreeze(model, optimizer, name, lr):
    child = getattr(model, name)
    optimizer.add_param_group({"params": list(child.parameters()), "lr": lr})
    child.requires_grad_(True)
    for m in child.modules():
        m.training = not isinstance(m, nn.BatchNorm1d)
