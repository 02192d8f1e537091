# Submissions that want more than their share. They may cost themselves their points, and nobody else anything.

# %% a loop without end | the notebook runs longer than its limits
while True:
    pass

# %% a loop that cannot be interrupted | the notebook runs longer than its limits
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
while True:
    pass

# %% a loop that swallows interrupts | the notebook runs longer than its limits
import time

while True:
    try:
        while True:
            time.sleep(0.01)
    except BaseException:
        pass

# %% a call into C that does not return | the notebook runs longer than its limits
import re

re.match(r"(a+)+$", "a" * 60 + "b")

# %% a loop without end in the check | the check runs longer than its limits
def live_modules(model):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

# %% all memory | more memory is taken than is allowed
parts = []
for _ in range(96):
    parts.append(bytearray(64 << 20))
    parts[-1][::4096] = b"x" * len(parts[-1][::4096])

# %% all memory, in children | more memory is taken than is allowed, by several processes
import os
import time

for _ in range(8):
    if os.fork() == 0:
        part = bytearray(768 << 20)
        part[::4096] = b"x" * len(part[::4096])
        time.sleep(20)
        os._exit(0)
time.sleep(20)

# %% many processes | more processes are started than are allowed
import os
import time

children = 0
for _ in range(64):
    try:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    except OSError:
        break
    children += 1
time.sleep(1)
if children >= 64:
    print(CANARY_PREFIX + f"{children} processes")

# %% many threads | more threads are started than are allowed
import threading

started = 0
try:
    for _ in range(3000):
        threading.Thread(target=threading.Event().wait, args=(20,), daemon=True).start()
        started += 1
except RuntimeError:
    pass
if started >= 3000:
    print(CANARY_PREFIX + f"{started} threads")

# %% all of the disk | more is written than is allowed
size = 0
try:
    with open("big", "wb") as file:
        for _ in range(64):
            size += file.write(b"x" * (16 << 20))
except OSError:
    pass
if size >= 1 << 30:
    print(CANARY_PREFIX + f"{size} bytes on the disk")

# %% all of the disk, in many files | more is written than is allowed | reduced
import os

size, files = 0, []
try:
    for number in range(12):
        files.append(open(f"big-{number}", "wb"))
        os.posix_fallocate(files[-1].fileno(), 0, 100 << 20)
        size += 100 << 20
except OSError:
    pass
if size >= 1 << 30:
    print(CANARY_PREFIX + f"{size} bytes on the disk")

# %% memory in nobody's account | more memory is taken than is allowed, in files that have no name
import os

size, files = 0, []
for number in range(16):
    files.append(os.memfd_create("part"))
    os.posix_fallocate(files[-1], 0, 200 << 20)
    size += 200 << 20
if size >= 3 << 30:
    print(CANARY_PREFIX + f"{size} bytes")

# %% output without end | the notebook that comes back is larger than it may be
while True:
    print("x" * 10_000)

# %% one output of many megabytes | the notebook that comes back is larger than it may be
"x" * 300_000_000

# %% many small outputs | the notebook that comes back is larger than it may be
from IPython.display import display

for _ in range(50_000):
    display({"text/plain": "x"}, raw=True)

# %% an error of many megabytes | the notebook that comes back is larger than it may be
raise RuntimeError("x" * 100_000_000)

# %% messages that are none | whoever reads them breaks
kernel = get_ipython().kernel
parent = kernel.get_parent("shell")
for content in ({}, {"data": 3}, {"data": {"text/plain": ["\ud800"]}, "metadata": []}, {"execution_state": {}}):
    for kind in ("stream", "display_data", "execute_result", "error", "status", "clear_output", "comm_open"):
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)

# %% bytes that are no message | whoever reads them breaks
kernel = get_ipython().kernel
for _ in range(10):
    if hasattr(kernel.session, "_line"):
        kernel.session._line.sendall(b"\0\0\x03\xe8" + b"x" * 1000)
    else:
        kernel.iopub_socket.send_multipart([b"x" * 1000] * 5)

# %% evidence that takes long to judge | the referee is busy for ever
import autograder.specs._evidence as evidence
import autograder.specs._grade as engine

call = {"ended": "returned", "value": {"type": "list", "items": [{"type": "str", "value": "x"}] * 200_000, "length": 1}}
engine.collect = lambda exercise, candidate, seed: evidence.pack(
    {"cases": {c.name: {"call": call} for c in exercise.cases(seed)}}
)

# %% evidence that is too large | the referee runs out of memory
import autograder.specs._grade as engine
import autograder.specs.wire as wire

wire.MOST_BODY = 1 << 40
engine.collect = lambda exercise, candidate, seed: b"x" * (200 << 20)

# %% a kernel that goes deaf after the cell | whoever talks to it waits for ever
import os
import threading
get_ipython().events.register("post_run_cell", lambda result: threading.Timer(0.02, os._exit, (0,)).start())

# %% a kernel that stops itself after the cell | whoever talks to it waits for ever
import os
import signal
import threading
stop = (os.getpid(), signal.SIGSTOP)
get_ipython().events.register("post_run_cell", lambda result: threading.Timer(0.02, os.kill, stop).start())
