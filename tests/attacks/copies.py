# Submissions that send the evidence of a right solution instead of handing it in. Nobody can tell the two apart, and there
# is nothing to win: each needs a right solution, and earns at most what that earns.

# %% evidence recorded at home | where the cases are the same for every seed, recorded evidence passes
import autograder.specs as specs
import autograder.specs._grade as engine

right = lambda model: sorted(
    name for name, m in model.named_modules()
    if m.training and isinstance(m, (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm))
)
recorded = specs.collect(specs.find("switches.live_modules"), right, 20_230_307)
engine.collect = lambda exercise, candidate, seed: recorded

# %% another candidate in the graded cell | the check is given a right solution, whatever the solution cell holds
import autograder

original = autograder.check
right = lambda model: sorted(
    name for name, m in model.named_modules()
    if m.training and isinstance(m, (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm))
)
autograder.check = lambda exercise, candidate: original(exercise, right)
