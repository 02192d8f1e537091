"""One loop for both phases, with set_grad_enabled, on scikit-learn's handwritten digits.

autograder trace examples/phase_loop.py
"""

import copy

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 3


def make_loaders():
    digits = load_digits()
    features = torch.tensor(digits.data, dtype=torch.float32) / 16
    labels = torch.tensor(digits.target)
    return {
        "train": DataLoader(TensorDataset(features[:1400], labels[:1400]), batch_size=50, shuffle=True),
        "val": DataLoader(TensorDataset(features[1400:], labels[1400:]), batch_size=100),
    }


def train_model(model, loaders, criterion, optimizer, scheduler):
    best_accuracy, best_weights = 0.0, None
    model.train()
    for epoch in range(EPOCHS):
        for phase in ("train", "val"):
            running_loss, running_corrects = 0.0, 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * len(labels)
                running_corrects += (outputs.argmax(1) == labels).sum().item()
            if phase == "train":
                scheduler.step()
            size = len(loaders[phase].dataset)
            accuracy = running_corrects / size
            print(f"{epoch} {phase}: loss {running_loss / size:.3f}, accuracy {accuracy:.3f}")
            if phase == "val" and accuracy > best_accuracy:
                best_accuracy, best_weights = accuracy, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return model


if __name__ == "__main__":
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(sgd, step_size=2, gamma=0.1)
    train_model(net, make_loaders(), nn.CrossEntropyLoss(), sgd, schedule)
