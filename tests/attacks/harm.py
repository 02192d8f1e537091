# Submissions that want to change what is not theirs. The world is looked at afterwards.

# %% overwrite a file of the course | the file has changed
open(VICTIM, "w").write("gone")

# %% delete a file of the course | the file is gone
import os

os.remove(VICTIM)

# %% change the rights of a file | the file cannot be read any more | reduced
import os

os.chmod(VICTIM, 0)

# %% leave a file beside the course | there is a file more
import os

open(os.path.join(os.path.dirname(VICTIM), "left-behind"), "w").write("here")

# %% leave a file in the home folder of the grader | there is a file more
import os

open(os.path.join(HOME, ".two-switches-left-behind"), "w").write("here")

# %% leave a file in shared memory | there is a file more
open("/dev/shm/two-switches-left-behind", "w").write("here")

# %% end a neighbour | a process of the grader's is gone
import os
import signal

os.kill(PID, signal.SIGKILL)

# %% leave a process behind | a process of ours outlives the notebook
import subprocess
import sys

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", MARK], start_new_session=True)

# %% leave a process behind, orphaned twice | a process of ours outlives the notebook
import os
import sys

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", MARK])
    os._exit(0)

# %% stop the one who watches | whoever watches us is stopped
import os
import signal

os.kill(os.getppid(), signal.SIGSTOP)

# %% trace a neighbour | another process can be traced
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, PID, 0, 0) == 0:
    libc.kill(PID, 9)

# %% mount over the course | the course looks different
import ctypes
import os

ctypes.CDLL(None).mount(b"none", os.path.dirname(VICTIM).encode(), b"tmpfs", 0, b"")

# %% leave a note for the next submission | a folder that all kernels see can be written
import os

for line in open("/proc/self/mounts"):
    place = line.split()[1]
    if not os.getcwd().startswith(place + "/"):
        try:
            open(os.path.join(place, "note"), "w").close()
        except OSError:
            continue
        print(CANARY_PREFIX + place)
