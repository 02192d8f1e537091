# %% right | drop_last
def training_loader(dataset, batch_size):
    from torch.utils.data import DataLoader

    return DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)


case_12 = ("single-value-not-rejected", training_loader)

# %% right | dropped only where one sample is left over
def training_loader(dataset, batch_size):
    from torch.utils.data import DataLoader

    def collate(samples):
        xs, ys = zip(*samples)
        return torch.stack(xs), torch.tensor(ys)

    lone = len(dataset) % batch_size == 1
    return DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=lone, collate_fn=collate)


case_12 = ("single-value-not-rejected", training_loader)

# %% right | the lone sample joins the batch before it
class Batches:
    def __init__(self, count, size):
        self.count, self.size = count, size

    def __iter__(self):
        batches = list(torch.randperm(self.count).split(self.size))
        if len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return iter([b.tolist() for b in batches])

    def __len__(self):
        return (self.count - 1 + self.size - 1) // self.size


def training_loader(dataset, batch_size):
    return torch.utils.data.DataLoader(dataset, batch_sampler=Batches(len(dataset), batch_size))


case_12 = ("single-value-not-rejected", training_loader)

# %% right | an iterable of its own, no DataLoader
class Loader:
    def __init__(self, dataset, batch_size):
        self.x = torch.stack([x for x, _ in dataset])
        self.y = torch.tensor([y for _, y in dataset])
        self.size = batch_size

    def __iter__(self):
        order = torch.randperm(len(self.y))
        for start in range(0, len(order), self.size):
            part = order[start : start + self.size]
            if len(part) > 1:
                yield self.x[part], self.y[part]


case_12 = ("single-value-not-rejected", Loader)

# %% right | a random sampler that leaves one out
def training_loader(dataset, batch_size):
    from torch.utils.data import DataLoader, RandomSampler

    count = len(dataset) - (len(dataset) % batch_size == 1)
    return DataLoader(dataset, batch_size=batch_size, sampler=RandomSampler(dataset, num_samples=count))


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | single-value-not-rejected | 1 points | the right name and the program as it was
from autograder.specs._clinic.case_12 import training_loader

case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | single-value-not-rejected | 2 points | a good repair, called a batch's own statistics in evaluation
def training_loader(dataset, batch_size):
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)


case_12 = ("batch-stats-in-eval", training_loader)

# %% wrong | single-value-not-rejected | 1 points | without the doubling, the lone sample stays alone
def training_loader(dataset, batch_size):
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | single-value-not-rejected | 1 points | repeated until the batch is full
def training_loader(dataset, batch_size):
    def collate(samples):
        xs, ys = zip(*(samples if len(samples) > 1 else samples * batch_size))
        return torch.stack(xs), torch.tensor(ys)

    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, collate_fn=collate)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | filled up with another sample, which comes twice
def training_loader(dataset, batch_size):
    def collate(samples):
        if len(samples) == 1:
            k = next(i for i, s in enumerate(dataset) if s is samples[0])
            samples = [*samples, dataset[k - 1]]
        xs, ys = zip(*samples)
        return torch.stack(xs), torch.tensor(ys)

    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, collate_fn=collate)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | the batch of one is refused, and the epoch ends with an error
def training_loader(dataset, batch_size):
    def collate(samples):
        if len(samples) == 1:
            raise ValueError("a batch of one")
        xs, ys = zip(*samples)
        return torch.stack(xs), torch.tensor(ys)

    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, collate_fn=collate)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | the last samples of the data set are left out for good
def training_loader(dataset, batch_size):
    count = len(dataset) // batch_size * batch_size
    kept = [dataset[i] for i in range(count)]
    return torch.utils.data.DataLoader(kept, batch_size=batch_size, shuffle=True)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | no longer shuffled
def training_loader(dataset, batch_size):
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, drop_last=True)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | shuffled once, and then the same in each epoch
def training_loader(dataset, batch_size):
    shuffled = [dataset[i] for i in torch.randperm(len(dataset)).tolist()]
    return torch.utils.data.DataLoader(shuffled, batch_size=batch_size, drop_last=True)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | nothing in the place of the batch
def training_loader(dataset, batch_size):
    def collate(samples):
        if len(samples) == 1:
            return None
        xs, ys = zip(*samples)
        return torch.stack(xs), torch.tensor(ys)

    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, collate_fn=collate)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | one big batch, whatever was asked for
def training_loader(dataset, batch_size):
    return torch.utils.data.DataLoader(dataset, batch_size=len(dataset), shuffle=True)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | an empty loader has no batch of one
def training_loader(dataset, batch_size):
    return []


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | with replacement no sample is alone, but some come twice
def training_loader(dataset, batch_size):
    from torch.utils.data import DataLoader, RandomSampler

    sampler = RandomSampler(dataset, replacement=True, num_samples=len(dataset) // batch_size * batch_size)
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler)


case_12 = ("single-value-not-rejected", training_loader)

# %% wrong | wrong-result | 1 points | one sample is always left out, and in pairs its partner too
class Loader:
    def __init__(self, dataset, batch_size):
        self.x = torch.stack([x for x, _ in dataset])
        self.y = torch.tensor([y for _, y in dataset])
        self.size = batch_size

    def __iter__(self):
        order = torch.randperm(len(self.y))
        for start in range(1, len(order), self.size):
            part = order[start : start + self.size]
            if len(part) > 1:
                yield self.x[part], self.y[part]


case_12 = ("single-value-not-rejected", Loader)
