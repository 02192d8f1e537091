"""A network that knows the digits 0 to 4 is frozen, and a new head learns 5 to 9 on top of it.

autograder trace examples/fine_tuning.py
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def loader_of(digits, wanted):
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    chosen = (labels >= wanted.start) & (labels < wanted.stop)
    return DataLoader(TensorDataset(images[chosen], labels[chosen] - wanted.start), batch_size=50, shuffle=True)


class Classifier(nn.Module):
    def __init__(self, backbone, n_classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(64, n_classes)

    def forward(self, x):
        return self.head(self.backbone(x))


def fit(model, loader, epochs, lr):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr)
    loss_fn = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_fn(model(images), labels)
            loss.backward()
            optimizer.step()


@torch.inference_mode()
def accuracy(model, loader):
    model.eval()
    hits = sum((model(images).argmax(1) == labels).sum().item() for images, labels in loader)
    return hits / len(loader.dataset)


def main():
    torch.manual_seed(0)
    digits = load_digits()
    old, new = loader_of(digits, range(5)), loader_of(digits, range(5, 10))

    backbone = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    )  # fmt: skip
    pretrained = Classifier(backbone, 5)
    fit(pretrained, old, epochs=2, lr=1e-2)
    print(f"digits 0 to 4 before: {accuracy(pretrained, old):.3f}")

    for parameter in backbone.parameters():
        parameter.requires_grad = False
    model = Classifier(backbone, 5)
    fit(model, new, epochs=2, lr=1e-2)
    print(f"digits 5 to 9: {accuracy(model, new):.3f}")
    print(f"digits 0 to 4 after: {accuracy(pretrained, old):.3f}")


if __name__ == "__main__":
    main()
