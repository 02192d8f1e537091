import torch


def predict_with_spread(model, x, n_samples):
    """Monte-Carlo dropout: class probabilities and how much they spread, two
    tensors of shape (N, C).

    Mean and standard deviation (correction=0) of the softmax over `n_samples`
    passes in which every layer of PyTorch's dropout family drops, and
    everything else works as in evaluation mode and stays as it is. No graph is
    recorded. The model's modes are as found afterwards, those of all its
    submodules.
    """
    modes = {module: module.training for module in model.modules()}
    model.train()
    with torch.no_grad():
        samples = torch.stack([model(x).softmax(dim=1) for _ in range(n_samples)])
    for module, mode in modes.items():
        module.training = mode
    return samples.mean(dim=0), samples.std(dim=0, correction=0)
