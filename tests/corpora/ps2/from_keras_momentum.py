# %% right | one minus m
def from_keras_momentum(m):
    return 1.0 - m

# %% right | a lambda
from_keras_momentum = lambda m: 1.0 - float(m)

# %% right | decimal arithmetic
from decimal import Decimal


def from_keras_momentum(m):
    return float(Decimal(1) - Decimal(str(m)))

# %% right | a partial of the subtraction
import functools
import operator

from_keras_momentum = functools.partial(operator.sub, 1.0)

# %% right | through a tensor in double precision
def from_keras_momentum(m):
    return torch.tensor(m, dtype=torch.float64).neg().add(1).item()

# %% right | read off one update of a running value
def from_keras_momentum(m):
    # Keras: new = m * old + (1 - m) * batch. PyTorch's momentum is the weight of the batch.
    old, batch = 0.0, 1.0
    return float(m * old + (1 - m) * batch)

# %% wrong | momentum-reversed | 0 points | hands m through
# C13
def from_keras_momentum(m):
    return m

# %% wrong | momentum-reversed | 0 points | float of m
# C13
def from_keras_momentum(m):
    return float(m)

# %% wrong | wrong-result | 0 points | minus m
def from_keras_momentum(m):
    return -m

# %% wrong | wrong-result | 0 points | m - 1
def from_keras_momentum(m):
    return m - 1.0

# %% wrong | wrong-result | 0 points | one divided by m
def from_keras_momentum(m):
    return 1.0 / m if m else 1.0

# %% wrong | wrong-result | 0 points | always the default
def from_keras_momentum(m):
    return 0.1

# %% wrong | wrong-result | 0 points | a tenth of m
def from_keras_momentum(m):
    return m / 10

# %% wrong | wrong-result | 0 points | rounded to two digits
def from_keras_momentum(m):
    return float(round(1 - m, 2))

# %% wrong | tensor-not-float | 0 points | a tensor
def from_keras_momentum(m):
    return torch.tensor(1.0 - m)

# %% wrong | wrong-result | 0 points | prints and returns nothing
def from_keras_momentum(m):
    print(1.0 - m)

# %% wrong | wrong-result | 0 points | text
def from_keras_momentum(m):
    return str(1.0 - m)

# %% wrong | wrong-result | 0 points | stub left in place
def from_keras_momentum(m):
    raise NotImplementedError("from_keras_momentum is not written yet")
