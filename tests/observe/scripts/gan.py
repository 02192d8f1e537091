"""Two networks, two optimizers; samples of the generator are looked at in evaluation mode."""

import torch
from torch import nn

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
discriminator = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
fixed = torch.randn(6, 8)

for step in range(6):
    real = torch.randn(12, 4)
    generator.train()
    discriminator.zero_grad()
    error_real = criterion(discriminator(real), torch.ones(12, 1))
    error_real.backward()
    fake = generator(torch.randn(12, 8))
    error_fake = criterion(discriminator(fake.detach()), torch.zeros(12, 1))
    error_fake.backward()
    optimizer_d.step()

    generator.zero_grad()
    error_g = criterion(discriminator(fake), torch.ones(12, 1))
    error_g.backward()
    optimizer_g.step()

    generator.eval()
    with torch.no_grad():
        samples = generator(fixed)
    print(step, error_real.item(), error_g.item(), samples.mean().item())
