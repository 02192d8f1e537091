# %% right | sums and a count
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.correct, self.count = 0.0, 0, 0

    def update(self, logits, y):
        self.loss += self.loss_fn(logits, y).item() * len(y)
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.count += len(y)

    def compute(self):
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


case_03 = ("batch-mean-of-means", Meter)

# %% right | everything is kept and computed at the end
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn, self.kept = loss_fn, []

    def reset(self):
        self.kept = []

    def update(self, logits, y):
        self.kept.append((logits.detach().clone(), y.clone()))

    def compute(self):
        z, y = map(torch.cat, zip(*self.kept))
        return {"loss": float(self.loss_fn(z, y)), "accuracy": (z.argmax(1) == y).double().mean().item()}


case_03 = ("batch-mean-of-means", Meter)

# %% right | the lists stay, with sizes as weights
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.losses, self.accuracies, self.sizes = [], [], []

    def update(self, logits, y):
        self.losses.append(self.loss_fn(logits, y).item())
        self.accuracies.append((logits.argmax(dim=1) == y).float().mean().item())
        self.sizes.append(len(y))

    def compute(self):
        def mean(values):
            return sum(v * n for v, n in zip(values, self.sizes)) / sum(self.sizes)

        return {"loss": mean(self.losses), "accuracy": mean(self.accuracies)}


case_03 = ("batch-mean-of-means", Meter)

# %% right | a running mean, moved by each batch's share
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.state = torch.zeros(2, dtype=torch.float64)
        self.seen = 0

    @torch.no_grad()
    def update(self, logits, y):
        new = torch.stack([self.loss_fn(logits, y).double(), (logits.max(1).indices == y).double().mean()])
        self.seen += y.numel()
        self.state = self.state + (new - self.state) * (y.numel() / self.seen)

    def compute(self):
        loss, accuracy = self.state.tolist()
        return {"loss": loss, "accuracy": accuracy}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | batch-mean-of-means | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_03 import Meter

case_03 = ("batch-mean-of-means", Meter)

# %% wrong | batch-mean-of-means | 2 points | a good repair, called an unstable result
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.correct, self.count = 0.0, 0, 0

    def update(self, logits, y):
        self.loss += self.loss_fn(logits, y).item() * len(y)
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.count += len(y)

    def compute(self):
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


case_03 = ("nondeterministic", Meter)

# %% wrong | batch-mean-of-means | 1 points | the accuracy is weighted, the loss is not
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.losses, self.correct, self.count = [], 0, 0

    def update(self, logits, y):
        self.losses.append(self.loss_fn(logits, y).item())
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.count += len(y)

    def compute(self):
        return {"loss": sum(self.losses) / len(self.losses), "accuracy": self.correct / self.count}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | batch-mean-of-means | 1 points | the loss is weighted, the accuracy is not
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.count, self.accuracies = 0.0, 0, []

    def update(self, logits, y):
        self.loss += self.loss_fn(logits, y).item() * len(y)
        self.count += len(y)
        self.accuracies.append((logits.argmax(dim=1) == y).float().mean().item())

    def compute(self):
        return {"loss": self.loss / self.count, "accuracy": sum(self.accuracies) / len(self.accuracies)}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | wrong-result | 1 points | mean losses are summed and divided by the number of samples
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.correct, self.count = 0.0, 0, 0

    def update(self, logits, y):
        self.loss += self.loss_fn(logits, y).item()
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.count += len(y)

    def compute(self):
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | wrong-result | 1 points | the size of the first batch stands for all
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.correct, self.batches, self.size = 0.0, 0, 0, None

    def update(self, logits, y):
        self.size = self.size or len(y)
        self.loss += self.loss_fn(logits, y).item() * len(y)
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.batches += 1

    def compute(self):
        count = self.batches * self.size
        return {"loss": self.loss / count, "accuracy": self.correct / count}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | wrong-result | 1 points | reset() forgets to set the count back
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn, self.count = loss_fn, 0
        self.reset()

    def reset(self):
        self.loss, self.correct = 0.0, 0

    def update(self, logits, y):
        self.loss += self.loss_fn(logits, y).item() * len(y)
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.count += len(y)

    def compute(self):
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | wrong-result | 1 points | asking starts anew
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.correct, self.count = 0.0, 0, 0

    def update(self, logits, y):
        self.loss += self.loss_fn(logits, y).item() * len(y)
        self.correct += (logits.argmax(dim=1) == y).sum().item()
        self.count += len(y)

    def compute(self):
        found = {"loss": self.loss / max(self.count, 1), "accuracy": self.correct / max(self.count, 1)}
        self.reset()
        return found


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | tensor-not-float | 1 points | sums of tensors
class Meter:
    def __init__(self, loss_fn):
        self.loss_fn = loss_fn
        self.reset()

    def reset(self):
        self.loss, self.correct, self.count = 0.0, 0, 0

    def update(self, logits, y):
        self.loss = self.loss + self.loss_fn(logits, y).detach() * len(y)
        self.correct = self.correct + (logits.argmax(dim=1) == y).sum()
        self.count += len(y)

    def compute(self):
        return {"loss": self.loss / self.count, "accuracy": self.correct / self.count}


case_03 = ("batch-mean-of-means", Meter)

# %% wrong | wrong-result | 1 points | all meters share one count
class Meter:
    rows = []

    def __init__(self, loss_fn):
        self.loss_fn = loss_fn

    def reset(self):
        self.rows.clear()

    def update(self, logits, y):
        self.rows.append((self.loss_fn(logits, y).item(), (logits.argmax(dim=1) == y).sum().item(), len(y)))

    def compute(self):
        count = sum(n for _, _, n in self.rows)
        return {"loss": sum(v * n for v, _, n in self.rows) / count, "accuracy": sum(c for _, c, _ in self.rows) / count}


case_03 = ("batch-mean-of-means", Meter)
