# %% right | train() puts the backbone back to sleep
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% right | train() written for the head only
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        for p in backbone.parameters():
            p.requires_grad = False
        self.backbone = backbone
        self.head = nn.Linear(num_features, num_classes)
        self.train()

    def train(self, mode: bool = True):
        self.training = mode
        self.head.train(mode)
        self.backbone.train(False)
        return self

    @torch.no_grad()
    def features(self, x):
        return self.backbone(x)

    def forward(self, x):
        return self.head(self.features(x))

# %% right | inference mode, cloned outside
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.add_module("backbone", backbone)
        self.add_module("head", nn.Linear(num_features, num_classes))
        self.backbone.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode=True):
        for name, child in self.named_children():
            child.train(mode and name != "backbone")
        self.training = mode
        return self

    def forward(self, x):
        with torch.inference_mode():
            features = self.backbone(x)
        return self.head(features.clone())

# %% right | set_grad_enabled and a loop over the backbone's modules
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(num_features, num_classes)
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(False)
        self._sleep()

    def _sleep(self):
        for m in self.backbone.modules():
            m.training = False

    def train(self, mode=True):
        result = super().train(mode)
        self._sleep()
        return result

    def forward(self, x):
        with torch.set_grad_enabled(False):
            h = self.backbone(x)
        return F.linear(h, self.head.weight, self.head.bias)

# %% right | a Sequential with named parts
from collections import OrderedDict


class Classifier(nn.Sequential):
    def __init__(self, backbone, num_features, num_classes):
        head = nn.Linear(num_features, num_classes)
        super().__init__(OrderedDict(backbone=backbone, head=head))
        backbone.requires_grad_(False).eval()

    def train(self, mode=True):
        nn.Module.train(self, mode)
        nn.Module.train(self.backbone, False)
        return self

    def forward(self, x):
        return self.head(torch.no_grad()(self.backbone)(x))

# %% right | a mixin that keeps one child asleep
class KeepsAsleep:
    asleep = ()

    def train(self, mode=True):
        super().train(mode)
        for name in self.asleep:
            getattr(self, name).eval()
        return self


class Classifier(KeepsAsleep, nn.Module):
    asleep = ("backbone",)

    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def forward(self, x):
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            features = self.backbone(x)
        return self.head(features)

# %% right | a deep copy that never hears of gradients
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = copy.deepcopy(backbone).requires_grad_(False).eval()
        self.backbone.train = lambda mode=True: self.backbone
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, x):
        return self.head(self.backbone(x.detach()))

# %% wrong | freeze-undone-by-train | 3 points | eval() once, when built
# C8
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | bn-drifts-when-frozen | 3 points | requires_grad=False and no eval()
# C7
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | bn-drifts-when-frozen | 3 points | sleeps only after the first train()
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | freeze-undone-by-train | 3 points | freezes BatchNorm's weights once more instead
# C9
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        for m in self.backbone.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm):
                m.requires_grad_(False)
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | train-override-broken | 3 points | train() returns nothing
# A25
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | train-override-broken | 3 points | train() forgets the head
# A25
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | train-override-broken | 3 points | train() ignores its argument
# A25. eval() leaves the head in training mode.
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train()
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | root-flag-only | 3 points | only the backbone's own flag
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.training = False
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | requires-grad-typo | 3 points | sets require_grad
# D9
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone
        for p in backbone.parameters():
            p.require_grad = False
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | requires-grad-typo | 3 points | sets an attribute of the module
# D10
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone
        self.backbone.requires_grad = False
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | head-frozen-too | 2 points | freezes after the head is there
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(num_features, num_classes)
        self.requires_grad_(False)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | grad-disabled-in-training | 2 points | no_grad round the head as well
# D7
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
            return self.head(features)

# %% wrong | backbone-graph-built | 3 points | trusts requires_grad=False
# An input that requires grad still draws a graph through the backbone.
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        features = self.backbone(x)
        return self.head(features)

# %% wrong | backbone-graph-built | 3 points | detaches the features
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        features = self.backbone(x).detach()
        return self.head(features)

# %% wrong | inference-tensor-escapes | 2 points | features born in inference mode
# D5
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.inference_mode():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | grad-mode-leaked | 3 points | switches gradients on again by hand
# D1
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        torch.set_grad_enabled(False)
        features = self.backbone(x)
        torch.set_grad_enabled(True)
        return self.head(features)

# %% wrong | wrong-result | 3 points | softmax on the head's outputs
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features).softmax(dim=1)

# %% wrong | wrong-result | 0 points | other attribute names
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.body = backbone.requires_grad_(False)
        self.fc = nn.Linear(num_features, num_classes)
        self.body.eval()

    def train(self, mode=True):
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.body(x)
        return self.fc(features)

# %% wrong | wrong-result | 3 points | the backbone is not a registered submodule
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.__dict__["backbone"] = backbone.requires_grad_(False)
        self.head = nn.Linear(num_features, num_classes)
        self.backbone.eval()

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | wrong-result | 0 points | stub left in place
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        raise NotImplementedError("Classifier is not written yet")

# %% wrong | graph-built | 3 points | eval() and no_grad, but the parameters still require grad
# A1
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.eval()
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | train-override-broken | 3 points | train() sets its own flag and no more
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        self.training = mode
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% right | the grad mode put back by hand, the modes as well
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        asleep = {m: m.training for m in self.backbone.modules()}
        super().train(mode)
        for m, flag in asleep.items():
            m.training = flag
        return self

    def forward(self, x):
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        try:
            features = self.backbone(x)
        finally:
            torch.set_grad_enabled(before)
        return self.head(features)

# %% wrong | backbone-graph-built | 3 points | detaches the inputs only while it trains
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        return self.head(self.backbone(x.detach() if self.training else x))

# %% wrong | freeze-undone-by-train | 3 points | the backbone goes back to sleep in forward only
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, x):
        self.backbone.eval()
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | graph-built | 3 points | records for a caller under no_grad as well
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.enable_grad()
    def forward(self, x):
        return self.head(self.backbone(x.detach()))

# %% wrong | input-touched | switches off the flag of the caller's input
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval()
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        if x.is_leaf:
            x.requires_grad_(False)
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)

# %% wrong | graph-built | freezes child by child, and misses a parameter of the backbone itself
class Classifier(nn.Module):
    def __init__(self, backbone, num_features, num_classes):
        super().__init__()
        self.backbone = backbone.eval()
        for layer in self.backbone.children():
            for p in layer.parameters():
                p.requires_grad = False
        self.head = nn.Linear(num_features, num_classes)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)
