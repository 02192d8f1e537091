import torch


def cache_features(backbone, loader):
    """Run the backbone once over the loader; return a list of batches
    (features, y) to train small heads on.

    The features are those of evaluation mode. Features and y are ordinary
    tensors without a graph, which later code may use in a loss. The backbone's
    modes are as found afterwards, those of all its submodules.
    """
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    cached = []
    with torch.inference_mode():
        for x, y in loader:
            cached.append((backbone(x), y))
    for module, mode in modes.items():
        module.training = mode
    return cached
