# %% right | no_grad instead
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = []
    with torch.no_grad():
        for x, y in loader:
            cached.append((backbone(x), y))
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% right | clones of both, made outside of the block
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = []
    with torch.inference_mode():
        for x, y in loader:
            cached.append((backbone(x), y))
    for module, mode in modes.items():
        module.training = mode
    return [(features.clone(), y.clone()) for features, y in cached]


case_06 = ("inference-tensor-escapes", cache_features)

# %% right | the block holds the model's call alone, and the clone comes after it
def cache_features(backbone, loader):
    sleeping = copy.deepcopy(backbone).eval()
    cached = []
    for x, y in loader:
        with torch.inference_mode():
            features = sleeping(x)
        cached.append((features.clone(), y))
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% right | a graph that is cut at once is not recorded: parameters that require no grad, in a copy
class Cache:
    def __call__(self, backbone, loader):
        model = copy.deepcopy(backbone).requires_grad_(False)
        model.eval()
        return [(model(x), y) for x, y in loader]


case_06 = ("inference-tensor-escapes", Cache())

# %% right | a decorated helper
@torch.no_grad()
def features_of(backbone, loader):
    return [(backbone(x).detach(), y) for x, y in loader]


def cache_features(backbone, loader):
    modes = [m.training for m in backbone.modules()]
    try:
        return features_of(backbone.eval(), loader)
    finally:
        for m, mode in zip(backbone.modules(), modes):
            m.training = mode


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | inference-tensor-escapes | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_06 import cache_features

case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | inference-tensor-escapes | 2 points | a good repair, called a graph
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    with torch.no_grad():
        cached = [(backbone(x), y) for x, y in loader]
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("graph-built", cache_features)

# %% wrong | inference-tensor-escapes | 1 points | clones made inside the block are born there too
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = []
    with torch.inference_mode():
        for x, y in loader:
            cached.append((backbone(x).clone(), y))
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | inference-tensor-escapes | 1 points | detach() does not make a tensor ordinary
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = []
    with torch.inference_mode():
        for x, y in loader:
            cached.append((backbone(x), y))
    for module, mode in modes.items():
        module.training = mode
    return [(features.detach(), y.detach()) for features, y in cached]


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | inference-tensor-escapes | 1 points | the features are cloned, the labels were born in the block as well
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = []
    with torch.inference_mode():
        for x, y in loader:
            cached.append((backbone(x), y))
    for module, mode in modes.items():
        module.training = mode
    return [(features.clone(), y) for features, y in cached]


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | graph-built | 1 points | the block is gone
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = [(backbone(x), y) for x, y in loader]
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% right | the graph is recorded and then cut off: the features have none
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = [(backbone(x).detach(), y) for x, y in loader]
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | eval-never-called | 1 points | with inference mode the evaluation mode went as well
@torch.no_grad()
def cache_features(backbone, loader):
    return [(backbone(x), y) for x, y in loader]


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | mode-not-restored | 1 points | the modes are no longer put back
@torch.no_grad()
def cache_features(backbone, loader):
    backbone.eval()
    return [(backbone(x), y) for x, y in loader]


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | grad-mode-leaked | 1 points | a bare call instead of the block
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    torch.set_grad_enabled(False)
    cached = [(backbone(x), y) for x, y in loader]
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | grad-disabled-in-training | 1 points | the backbone's parameters lose their flag
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval().requires_grad_(False)
    cached = [(backbone(x), y) for x, y in loader]
    for module, mode in modes.items():
        module.training = mode
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | wrong-result | 1 points | zeros can be used in any loss
def cache_features(backbone, loader):
    return [(torch.zeros(len(y), 3), y) for x, y in loader]


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | root-flag-only | 1 points | modes are put back for the backbone and its children, each with all below it
@torch.no_grad()
def cache_features(backbone, loader):
    mode, modes = backbone.training, [(child, child.training) for child in backbone.children()]
    backbone.eval()
    cached = [(backbone(x), y) for x, y in loader]
    backbone.train(mode)
    for child, flag in modes:
        child.train(flag)
    return cached


case_06 = ("inference-tensor-escapes", cache_features)

# %% wrong | wrong-result | asks the loader twice, once for x and once for y
def cache_features(backbone, loader):
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        with torch.no_grad():
            features = [backbone(x) for x, _ in loader]
    finally:
        for module, mode in modes.items():
            module.training = mode
    return list(zip(features, [y for _, y in loader]))


case_06 = ("inference-tensor-escapes", cache_features)
