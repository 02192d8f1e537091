import torch


@torch.inference_mode()
def test_report(model, loader):
    """What we print for the test set: {"accuracy": float, "confidence": float}.

    Accuracy is the share of samples that are classified correctly, confidence
    the mean over all samples of the largest class probability. Both are
    measured in evaluation mode. The model's modes are as found afterwards,
    those of all its submodules.
    """
    correct, confidence, count = 0, 0.0, 0
    for x, y in loader:
        probabilities = model(x).softmax(dim=1)
        largest, predicted = probabilities.max(dim=1)
        correct += (predicted == y).sum().item()
        confidence += largest.sum().item()
        count += len(y)
    return {"accuracy": correct / count, "confidence": confidence / count}
