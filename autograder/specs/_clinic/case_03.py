class Meter:
    """Loss and accuracy of an evaluation that comes in batches of any size.

    `update(logits, y)` takes a batch, `loss_fn(logits, y)` being its mean loss.
    `compute()` gives {"loss": float, "accuracy": float}, the averages over all
    samples since the start or the last `reset()`. It may be asked at any time
    after the first batch, and asking changes nothing.
    """

    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.losses, self.accuracies = [], []

    def update(self, logits, y):
        self.losses.append(self.loss_fn(logits, y).item())
        self.accuracies.append((logits.argmax(dim=1) == y).float().mean().item())

    def compute(self):
        batches = len(self.losses)
        return {"loss": sum(self.losses) / batches, "accuracy": sum(self.accuracies) / batches}
