# Submissions that want points for a wrong answer. Each cell is put behind a wrong solution of `live_modules`, worth 0.

# %% blank the check cell | the cell that is graded does nothing, and nothing is full points
get_ipython().input_transformers_post.append(lambda lines: ["pass\n"])

# %% replace check | the name `check` in the graded cell is ours
import autograder

autograder.check = lambda *arguments: 3.0

# %% replace the package | the graded cell imports a package of ours
import sys
import types

sys.modules["autograder"] = types.SimpleNamespace(check=lambda *arguments: 3.0)

# %% replace the judge | the judge says that everything passed
import autograder.specs._grade as engine
from autograder import Finding, Report

engine.decide = engine.grade = lambda exercise, *more, **most: Report(
    exercise.id, "", tuple(Finding(c.title, True, c.points, c.points, None, "Passed.", "") for c in exercise.checks)
)

# %% replace the findings | every finding says that it passed
import autograder.specs._exercise as exercises

exercises.Verdict.require = lambda *arguments, **more: True
exercises.Verdict.fail = exercises.Verdict.stop = lambda *arguments, **more: None

# %% replace the points | a report has all points
import autograder.specs._report as reports

reports.Report.points = reports.Report.max_points = property(lambda self: 3.0)
reports.Report.passed = True

# %% a report of our own as the result | the graded cell shows a report with all points
import autograder
from autograder.specs import MIME


class Forged:
    def _repr_mimebundle_(self, **more):
        finding = {"check": "all", "passed": True, "points": 3.0, "max_points": 3.0, "message": "Passed."}
        report = {"exercise": "switches.live_modules", "points": 3.0, "max_points": 3.0, "passed": True}
        return {"text/plain": "3.0", MIME: {**report, "findings": [finding]}}


autograder.check = lambda *arguments: Forged()

# %% a result published by a hook | the output of the graded cell starts with 3.0
def publish(*arguments):
    kernel = get_ipython().kernel
    content = {"data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1}
    kernel.session.send(kernel.iopub_socket, "execute_result", content, parent=kernel.get_parent("shell"))


get_ipython().events.register("pre_run_cell", publish)

# %% equal to everything | a list that is equal to every list
class Anything(list):
    def __eq__(self, other):
        return True

    def __iter__(self):
        return iter(())

    __hash__ = None


live_modules = lambda model: Anything()

# %% names equal to everything | strings that are equal to every string
class Name(str):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


live_modules = lambda model: [Name(name) for name, _ in model.named_modules()][:1]

# %% numbers that compare as we like | a float that is above and below everything
class Number(float):
    __lt__ = __gt__ = __le__ = __ge__ = __eq__ = lambda self, other: True
    __hash__ = float.__hash__


live_modules = lambda model: Number(3.0)

# %% end the process | nothing comes from a process that has ended, and nothing is full points
import os


def live_modules(model):
    os._exit(0)

# %% leave by SystemExit | an exit is not an error
def live_modules(model):
    raise SystemExit(0)

# %% leave by KeyboardInterrupt | whoever stopped it was the grader
def live_modules(model):
    raise KeyboardInterrupt

# %% hide the traceback | an error that is not shown did not happen
get_ipython().showtraceback = lambda *arguments, **more: None


def live_modules(model):
    raise RuntimeError("unseen")

# %% claim a fault of the grader | what could not be graded gets the points
import autograder
from autograder.specs._limit import CouldNotGrade


def refuse(*arguments):
    raise CouldNotGrade("the machine is on fire")


autograder.check = refuse

# %% tell the referee the verdict | the referee takes a report from the kernel
import autograder.specs.wire as wire

line = wire.line()
finding = {"check": "all", "passed": True, "points": 3.0, "max_points": 3.0, "message": "Passed."}
report = {"exercise": "switches.live_modules", "points": 3.0, "max_points": 3.0, "findings": [finding]}
for words in ({"report": report}, {"verdict": report}, {"ask": "switches.live_modules", "report": report}):
    line.ask(words)

# %% evidence from an earlier cell | evidence counts before it is asked for
import autograder.specs as specs
import autograder.specs.wire as wire

right = lambda model: sorted(
    name for name, m in model.named_modules()
    if m.training and isinstance(m, (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm))
)
for seed in (20_230_307, 0, 1):
    evidence = specs.collect(specs.find("switches.live_modules"), right, seed)
    for nonce in ("", "0" * 32, None):
        wire.line().ask({"nonce": nonce}, evidence)

# %% a thread that answers first | the evidence of a thread left behind counts, and the check's own does not
import threading
import time

import autograder.specs as specs
import autograder.specs.wire as wire


def wait_for_the_cell():
    recorded = specs.collect(specs.find("switches.live_modules"), lambda model: [], 20_230_307)
    for _ in range(3000):
        case = wire.line().ask({"ask": "switches.live_modules"})
        if "seed" in case:
            wire.line().ask({"nonce": case["nonce"]}, recorded)
            return
        time.sleep(0.001)


threading.Thread(target=wait_for_the_cell, daemon=True).start()

# %% guess the nonce | one of many nonces is the right one
import secrets

import autograder.specs._grade as engine
import autograder.specs.wire as wire


def guess(exercise, candidate, seed):
    for _ in range(2000):
        wire.line().ask({"nonce": secrets.token_hex(16)}, b"")
    return b""


engine.collect = guess

# %% evidence that is none | what cannot be read has no mistakes in it
import autograder.specs._grade as engine

engine.collect = lambda exercise, candidate, seed: b"\x00" * 100

# %% evidence without cases | no case, no failed check
import autograder.specs._evidence as evidence
import autograder.specs._grade as engine

engine.collect = lambda exercise, candidate, seed: evidence.pack({"cases": {}})

# %% evidence with empty cases | the judge stumbles, and what stumbles is not 0
import autograder.specs._evidence as evidence
import autograder.specs._grade as engine

engine.collect = lambda exercise, candidate, seed: evidence.pack({"cases": {c.name: {} for c in exercise.cases(seed)}})

# %% evidence that was pickled | the referee unpickles it
import os
import pickle

import autograder.specs._grade as engine


class Harm:
    def __reduce__(self):
        return os.system, (f"touch {VICTIM}.unpickled",)


engine.collect = lambda exercise, candidate, seed: pickle.dumps(Harm())

# %% a frame without end | the referee waits for what never comes, and lets us pass
import autograder.specs.wire as wire

wire.line()._socket.sendall(wire.LENGTHS.pack(2**31, 2**32 - 1))

# %% close the line | without a referee the check is judged here
import os
import autograder.specs.wire as wire

os.close(wire.line()._socket.fileno())

# %% forget the referee | without a line, `check` behaves as at home, and passes nothing on
import autograder.specs.wire as wire

wire._line = None
wire.line = lambda: None

# %% end the cell early | the graded cell ends before its check, with a result of ours
def end_early(*arguments):
    kernel = get_ipython().kernel
    parent = kernel.get_parent("shell")
    content = {"data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1}
    kernel.session.send(kernel.iopub_socket, "execute_result", content, parent=parent)
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)


get_ipython().events.register("pre_run_cell", end_early)

# %% replace the probe's torch | the library that the probe uses tells what we want
torch.equal = lambda *arguments: True
nn.Module.named_modules = lambda self, *arguments, **more: iter(())

# %% look for the answer in the frames | a frame above the call holds the names that are expected
import sys


def live_modules(model):
    frame, found = sys._getframe(1), []
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, (list, tuple, set)) and value and all(isinstance(v, str) for v in value):
                found.append(sorted(value))
        frame = frame.f_back
    return max(found, key=len, default=[])

# %% look for the answer in memory | some object of the process is the expected answer
import gc


def live_modules(model):
    for value in gc.get_objects():
        if type(value) is dict and "expected" in value:
            return value["expected"]
    return []

# %% grade another exercise | the report of an exercise that is easier counts here
import autograder

original = autograder.check
autograder.check = lambda exercise, candidate: original("switches.truth_table", {})

# %% two processes answer | the child's evidence counts as well as the parent's
import os


def live_modules(model):
    if os.fork() == 0:
        os._exit(0)
    return []

# %% change the notebook that is being graded | the file beside us is the one that is graded
import glob

for path in glob.glob("**/*.ipynb", recursive=True) + glob.glob("../**/*.ipynb", recursive=True):
    open(path, "w").write("{}")

# %% write the grade | the gradebook can be written
import sqlite3

with sqlite3.connect(GRADEBOOK) as database:
    database.execute("UPDATE grade SET auto_score = 3.0")
