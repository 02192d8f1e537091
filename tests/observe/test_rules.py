"""Every rule: a program that it is for, and a similar right one on which it has to keep silent."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autograder.observe import ModeTrace

Program = Callable[[], None]


def net(*, norm: bool = True, drop: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(4, 8)]
    layers += [nn.BatchNorm1d(8)] * norm + [nn.ReLU()] + [nn.Dropout(0.5)] * drop
    return nn.Sequential(*layers, nn.Linear(8, 3))


def data(n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, 4), torch.arange(n) % 3


def sgd(*models: nn.Module, lr: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD([p for m in models for p in m.parameters() if p.requires_grad], lr=lr)


def train(model: nn.Module, steps: int = 3) -> None:
    optimizer = sgd(model)
    x, y = data()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def rules(program: Program) -> list[str]:
    torch.manual_seed(0)
    with ModeTrace() as trace:
        program()
    return sorted(f.rule for f in trace.findings())


# ---------------------------------------------------------------------- one program per rule


def evaluates_in_train_mode() -> None:
    model = net()
    train(model)
    with torch.no_grad():
        F.cross_entropy(model(data()[0]), data()[1]).item()


def builds_a_graph_for_nothing() -> None:
    model = net()
    train(model)
    model.eval()
    total = 0.0
    for _ in range(3):
        total += F.cross_entropy(model(data()[0]), data()[1]).item()


def sets_the_flag_by_hand() -> None:
    model = net()
    train(model)
    model.training = False
    with torch.no_grad():
        model(data()[0])


def leaves_one_norm_awake() -> None:
    model = net()
    model.eval()
    model[1].train()
    with torch.no_grad():
        model(data()[0])


class _DropoutsInAList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.drops = [nn.Dropout(0.5)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drops[0](self.linear(x))


class _OwnDropout(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 0.5, self.training)


class _OwnDropoutInAList(_DropoutsInAList):
    def __init__(self) -> None:
        super().__init__()
        self.drops = [_OwnDropout()]  # type: ignore[list-item]


def predict(model: nn.Module) -> None:
    model.eval()
    with torch.no_grad():
        model(data()[0])


class _Functional(nn.Module):
    def __init__(self, obeys: bool, kind: str = "dropout") -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.obeys, self.kind = obeys, kind
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("var", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.linear(x)
        live = self.training if self.obeys else True
        if self.kind == "dropout":
            return F.dropout(x, 0.3, live)
        if self.kind == "attention":
            q = x[None]
            return F.scaled_dot_product_attention(q, q, q, dropout_p=0.3 if live else 0.0)
        return F.batch_norm(x, self.mean, self.var, training=live)


def validates_and_stays_in_eval() -> None:
    model = net()
    optimizer = sgd(model)
    x, y = data()
    for _ in range(2):
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        predict(model)


def never_clears_gradients() -> None:
    model = net()
    optimizer = sgd(model)
    x, y = data()
    for _ in range(3):
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def never_clears_accumulated_gradients() -> None:
    model = net()
    optimizer = sgd(model)
    x, y = data()
    for _ in range(3):
        for _ in range(2):
            F.cross_entropy(model(x), y).backward()
        optimizer.step()


def freezes_parameters_only() -> None:
    backbone, head = net(), nn.Linear(3, 3)
    backbone.requires_grad_(False)
    optimizer = sgd(head)
    x, y = data()
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(head(backbone(x)), y).backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (evaluates_in_train_mode, ["eval-never-called"]),
        (builds_a_graph_for_nothing, ["graph-built"]),
        (sets_the_flag_by_hand, ["root-flag-only"]),
        (leaves_one_norm_awake, ["validation-trains"]),
        (lambda: predict(_DropoutsInAList()), ["dropout-not-registered"]),
        (lambda: predict(_OwnDropoutInAList()), ["dropout-not-registered"]),
        (lambda: predict(_Functional(False)), ["functional-dropout-always-on"]),
        (lambda: predict(_Functional(False, "attention")), ["functional-dropout-always-on"]),
        (lambda: predict(_Functional(False, "batch_norm")), ["batch-stats-in-eval"]),
        (validates_and_stays_in_eval, ["train-never-called"]),
        (never_clears_gradients, ["zero-grad-missing"]),
        (never_clears_accumulated_gradients, ["zero-grad-missing"]),
        (freezes_parameters_only, ["bn-drifts-when-frozen"]),
    ],
)
def test_a_fault_is_named(program: Program, expected: list[str]) -> None:
    assert rules(program) == expected


def test_switches_left_otherwise_than_found() -> None:
    model = net()
    with ModeTrace() as trace:
        model.eval()
        torch.set_grad_enabled(False)
    torch.set_grad_enabled(True)
    assert sorted(f.rule for f in trace.findings()) == ["grad-mode-leaked", "mode-not-restored"]
    line = test_switches_left_otherwise_than_found.__code__.co_firstlineno + 2
    assert {(f.file, f.line) for f in trace.findings()} == {(__file__, line)}


def test_a_model_made_inside_was_not_found_in_any_mode() -> None:
    assert rules(lambda: predict(net())) == []


# ---------------------------------------------------------------------- right twins


def evaluates_and_gives_modes_back() -> None:
    model = net()
    for _ in range(2):
        model.train()
        train(model)
        predict(model)


def mc_dropout_by_waking_dropouts() -> None:
    for model in (net(), net(norm=False)):
        model.eval()
        for m in model.modules():
            if isinstance(m, nn.Dropout):
                m.train()
        x = data()[0]
        with torch.no_grad():
            torch.stack([model(x) for _ in range(5)]).mean(0)


def mc_dropout_by_putting_norms_to_sleep() -> None:
    model = net().train()
    model[1].eval()
    x = data()[0]
    with torch.no_grad():
        torch.stack([model(x) for _ in range(5)]).std(0)


def recalibration() -> None:
    model = net(drop=False)
    model[1].reset_running_stats()
    momentum, model[1].momentum = model[1].momentum, None
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(data()[0])
    model[1].momentum = momentum


def swa_recalibration() -> None:
    torch.optim.swa_utils.update_bn([data()[0] for _ in range(3)], net())


def mean_teacher() -> None:
    student = net()
    teacher = copy.deepcopy(student).requires_grad_(False)  # its BatchNorm moves, as in the method's own code
    optimizer = sgd(student)
    for _ in range(4):
        x, y = data()
        with torch.no_grad():
            target = teacher(x).softmax(1)
        out = student(x)
        loss = F.cross_entropy(out, y) + F.mse_loss(out.softmax(1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
                t.mul_(0.9).add_(s, alpha=0.1)


def mean_teacher_through_data() -> None:
    student = net()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = sgd(student)
    for _ in range(3):
        x, _ = data()
        loss = F.mse_loss(student(x), teacher(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
            t.data.mul_(0.9).add_(s.data, alpha=0.1)  # .data has a version counter of its own


def pseudo_labels() -> None:
    model = net()
    optimizer = sgd(model)
    for _ in range(3):
        x, _ = data()
        with torch.no_grad():
            confidence, label = model(x).softmax(1).max(1)
        loss = (F.cross_entropy(model(x + 0.1), label, reduction="none") * (confidence > 0.2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def gan_with_a_frozen_discriminator() -> None:
    g, d = net(), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer_g, optimizer_d = sgd(g), sgd(d)
    for _ in range(3):
        fake = g(data()[0])
        d.requires_grad_(False)
        optimizer_g.zero_grad()
        d(fake).mean().backward()
        optimizer_g.step()
        d.requires_grad_(True)
        optimizer_d.zero_grad()
        (d(torch.randn(16, 3)).mean() - d(fake.detach()).mean()).backward()
        optimizer_d.step()


def gan_with_concatenated_batches() -> None:
    g, d = net(), net()
    head = nn.Linear(3, 4)
    optimizer_g, optimizer_d = sgd(g, head), sgd(d)
    for _ in range(3):
        with torch.no_grad():
            fake = head(g(data()[0]))
        both = torch.cat([data()[0], fake])
        optimizer_d.zero_grad(set_to_none=False)
        F.cross_entropy(d(both), torch.arange(32) // 16).backward()
        optimizer_d.step()
        optimizer_g.zero_grad(set_to_none=False)
        F.cross_entropy(d(head(g(data()[0]))), torch.zeros(16, dtype=torch.long)).backward()
        optimizer_g.step()


def cached_features() -> None:
    backbone, head = net(norm=False), nn.Linear(3, 3)
    with torch.no_grad():
        features = torch.cat([backbone(data()[0]) for _ in range(3)])
    optimizer = sgd(head)
    for i in range(3):
        optimizer.zero_grad()
        head(features[i * 16 : (i + 1) * 16]).sum().backward()
        optimizer.step()


def collected_features() -> None:
    backbone, head = net(norm=False), nn.Linear(3, 3)
    features = torch.empty(48, 3)
    with torch.no_grad():
        for i in range(0, 48, 16):
            features[i : i + 16] = backbone(data()[0])
    head(features).sum().backward()


def adversarial_input() -> None:
    model = net().eval().requires_grad_(False)
    picture = torch.randn(2, 4, requires_grad=True)
    optimizer = torch.optim.Adam([picture], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(picture)[:, 0].sum().backward()
        optimizer.step()


def saliency() -> None:
    model = net().eval()
    x = torch.randn(2, 4, requires_grad=True)
    torch.autograd.grad(model(x).sum(), x)


def frozen_norms_while_fine_tuning() -> None:
    model = net(drop=False)
    model.eval()  # only BatchNorm listens, and its parameters are frozen on purpose
    model[1].requires_grad_(False)
    train(model)


def frozen_backbone_kept_asleep() -> None:
    backbone, head = net().requires_grad_(False), nn.Linear(3, 3)
    optimizer = sgd(head)
    for _ in range(3):
        head.train()
        backbone.eval()
        optimizer.zero_grad()
        head(backbone(data()[0])).sum().backward()
        optimizer.step()


def clears_after_the_step() -> None:
    model = net()
    optimizer = sgd(model)
    x, y = data()
    for _ in range(3):
        for _ in range(2):
            F.cross_entropy(model(x), y).backward()
        optimizer.step()
        model.zero_grad()


def lbfgs() -> None:
    model = net(norm=False, drop=False)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    x, y = data()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)


class _AsksForItsShape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = net()
        with torch.no_grad():
            n = self.features(torch.zeros(2, 4)).numel() // 2
        self.also = nn.Linear(self.features(torch.zeros(2, 4)).shape[1], n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.also(self.features(x))


def shapes_from_a_dry_run() -> None:
    train(_AsksForItsShape())
    lazy = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.Dropout(), nn.Linear(8, 3))
    lazy(torch.zeros(2, 4))
    train(lazy)


def checkpointed() -> None:
    from torch.utils.checkpoint import checkpoint

    model = net(norm=False)
    for reentrant in (False, True):
        optimizer = sgd(model)
        for _ in range(2):
            x = data()[0].requires_grad_(True)
            optimizer.zero_grad()
            checkpoint(model, x, use_reentrant=reentrant).sum().backward()
            optimizer.step()


def softmax_for_the_accuracy() -> None:
    model, softmax, loss_fn = net(), nn.Softmax(dim=1), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    x, y = data()
    for _ in range(3):
        out = model(x)
        (softmax(out).argmax(1) == y).float().mean().item()
        loss_fn(out, y).item()
        optimizer.zero_grad()
        loss_fn(out, y).backward()
        optimizer.step()


class _Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = net()

    def forward(self, x: torch.Tensor) -> torch.distributions.Categorical:
        return torch.distributions.Categorical(logits=self.body(x))


def a_distribution_as_output() -> None:
    policy = _Policy()
    optimizer = sgd(policy)
    for _ in range(3):
        actions = policy(data()[0])
        optimizer.zero_grad()
        (-actions.log_prob(actions.sample())).mean().backward()
        optimizer.step()


class _KeepsItsLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = net()

    def forward(self, x: torch.Tensor) -> None:
        self.loss = self.body(x).sum()


def nothing_as_output() -> None:
    model = _KeepsItsLoss()
    optimizer = sgd(model)
    for _ in range(3):
        model(data()[0])
        optimizer.zero_grad()
        model.loss.backward()
        optimizer.step()


def test_an_exception_between_forward_and_backward() -> None:
    x, y = data()
    kept = []

    def step() -> None:
        kept.append(net()(x))
        F.cross_entropy(kept[0], y[1:])

    with pytest.raises(ValueError, match="batch_size"), ModeTrace() as trace:
        step()
    assert kept[0].grad_fn is not None
    assert trace.findings() == []


@pytest.mark.parametrize(
    "program",
    [
        evaluates_and_gives_modes_back, mc_dropout_by_waking_dropouts, mc_dropout_by_putting_norms_to_sleep,
        recalibration, swa_recalibration, mean_teacher, mean_teacher_through_data, pseudo_labels,
        gan_with_a_frozen_discriminator, gan_with_concatenated_batches, cached_features, collected_features,
        adversarial_input, saliency,
        frozen_norms_while_fine_tuning, frozen_backbone_kept_asleep, clears_after_the_step, lbfgs,
        shapes_from_a_dry_run, checkpointed, softmax_for_the_accuracy, a_distribution_as_output, nothing_as_output,
        lambda: predict(_Functional(True)), lambda: predict(_Functional(True, "attention")),
        lambda: predict(_Functional(True, "batch_norm")), lambda: train(_DropoutsInAList()),
    ],
)  # fmt: skip
def test_right_code_is_left_alone(program: Program) -> None:
    assert rules(program) == []


# ---------------------------------------------------------------------- what a finding says


def test_a_finding_says_where_and_how_often() -> None:
    model = net()

    def validate() -> None:
        for _ in range(3):
            model(data()[0])

    with ModeTrace(model) as trace, torch.no_grad():
        validate()
    (finding,) = trace.findings()
    assert (finding.file, finding.line, finding.count) == (__file__, validate.__code__.co_firstlineno + 2, 3)
    assert str(finding).startswith(f"test_rules.py:{finding.line}: model made an evaluation pass in training mode")
    assert "model.1, model.3 live" in finding.message
    assert str(finding).endswith("(3 times)")
    marked = [e.index for e in trace.events if "findings" in e.detail]
    assert marked == [e.index for e in trace.events if e.kind == "forward" and e.depth == 0]


def test_gradients_of_two_optimizers_are_told_apart() -> None:
    """One of two optimizers is never cleared: the backward that adds to its old gradients is named."""
    a, b = nn.Linear(4, 4), nn.Linear(4, 3)
    one, two = sgd(a), torch.optim.Adam(b.parameters())
    with ModeTrace() as trace:
        for _ in range(3):
            one.zero_grad()
            b(a(data()[0])).sum().backward()
            one.step()
            two.step()
    (finding,) = trace.findings()
    assert finding.rule == "zero-grad-missing"
    assert "Adam" in finding.message
    assert finding.count == 2
