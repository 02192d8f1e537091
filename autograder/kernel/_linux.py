"""The few system calls of Linux that Python has no name for.  Everything here acts on the calling process.

Sources: the manual pages landlock(7), seccomp(2), unshare(2), mount(2), prctl(2), capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_libc.syscall.restype = ctypes.c_long


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


# processes

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_CAPBSET_DROP = 1, 4, 15, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 36, 38, 22


def die_with_parent(signal: int) -> None:
    """Have the system send this signal here when the parent's thread ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parents end."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")


def name_process(name: str) -> None:
    """What `ps` and `top` call this process: the first 15 letters."""
    text = ctypes.create_string_buffer(name.encode())
    _checked(_libc.prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0), "PR_SET_NAME")


def show_memory() -> None:
    """Let the keeper see in detail what memory this process uses; entering a user namespace has hidden it."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "PR_SET_DUMPABLE")


_MADV_COLLAPSE = 25  # from Linux 6.1 on
_HUGE = 2 << 20


def use_huge_pages() -> None:
    """Put this process's memory on pages of 2 MiB where it can be, so that a fork has less to copy.

    A fork of a process with 250 MiB of its own takes less than half of the time. Where the system does not have this,
    nothing changes. Source: madvise(2), MADV_COLLAPSE.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *_, file = (*line.split(None, 5), "")[:6]
        if rights != "rw-p" or file not in ("", "[heap]"):
            continue
        first, last = (int(end, 16) for end in span.split("-"))
        first = -(-first // _HUGE) * _HUGE
        if first + _HUGE <= last:
            _libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last // _HUGE * _HUGE - first), _MADV_COLLAPSE)


def drop_privileges() -> None:
    """Give up all capabilities, and any way to gain them back by running a program."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # past the last capability of this kernel, or not privileged: then there is nothing to drop
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _checked(_libc.capset(header, bytes(24)), "capset")


# namespaces

_NEW_MOUNT, _NEW_CGROUP, _NEW_UTS, _NEW_IPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
_NEW_USER, _NEW_PID, _NEW_NET = 0x10000000, 0x20000000, 0x40000000
_NEW = _NEW_MOUNT | _NEW_CGROUP | _NEW_UTS | _NEW_IPC | _NEW_USER | _NEW_PID | _NEW_NET
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 1, 2, 4, 8, 0x4000, 0x40000


def leave_namespaces(user: int) -> None:
    """Enter new namespaces of all kinds, known there as the user number `user`; the next child is process 1 of them.

    Needs a process with one thread. Raises OSError where the system forbids user namespaces.
    """
    uid, gid = os.getuid(), os.getgid()
    _checked(_libc.unshare(_NEW), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{user} {gid} 1")


def forbid_user_namespaces() -> None:
    """No process in this user namespace can make another, which would give it capabilities again."""
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def _mount(kind: str, where: str, flags: int, options: str = "") -> None:
    _checked(_libc.mount(kind.encode(), where.encode(), kind.encode(), flags, options.encode()), f"mount {where}")


def mount_private_folder(where: str, mib: int) -> None:
    """An empty folder in memory, of `mib` MiB at most, that only this mount namespace sees."""
    _checked(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount --make-rprivate /")
    _mount("tmpfs", where, _MS_NOSUID | _MS_NODEV, f"size={mib}m,mode=700")


def mount_proc() -> None:
    """Show the processes of this process namespace, and no others, in /proc."""
    _mount("proc", "/proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


# Landlock: restricts this thread and what it starts from now on; threads that run already are not restricted

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_ALL_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}  # by ABI; later: 16 rights


def landlock_abi() -> int:
    """The version of Landlock here; 0 without Landlock."""
    return max(0, _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1))


def landlock(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str], *, abi: int) -> None:
    """Open no other file or folder than these and what is below them; connect to nothing and signal nothing outside.

    Paths that do not exist are passed over. Network and signals are restricted from ABI 4 and 6 on.
    Raises OSError if a rule is refused; the process is then to end, because nothing is restricted yet.
    """
    files = _ALL_FILE_RIGHTS.get(abi, (1 << 16) - 1)
    attributes = struct.pack("QQQ", files, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0), "landlock_create_ruleset")
    try:
        for paths, rights in (
            (readable, _EXECUTE | _READ_FILE | _READ_DIR),
            (writable, files & ~_IOCTL_DEVICE),
            (devices, _READ_FILE | _WRITE_FILE),
        ):
            for path in paths:
                _landlock_rule(ruleset, path, rights & files)
        _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
        _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _landlock_rule(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, handle)
        _checked(_libc.syscall(_ADD_RULE, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
    finally:
        os.close(handle)


# seccomp: a filter in front of every system call, for all that this thread starts from now on

#: Refused with "Operation not permitted". Numbers: (x86_64, aarch64), from asm/unistd.h.
_REFUSED = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # new namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "mount_setattr": (442, 442), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # doors into the kernel that a notebook does not need
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
    "personality": (135, 92),
    # memory that no process has in its own account
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186),
    "mq_open": (240, 180),
}  # fmt: skip
#: With Landlock before ABI 6, which does not restrict signals. The argument that has to be the caller's own process.
_SIGNALS = {"kill": (62, 129), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)}
_SIGNALS_REFUSED = {"tkill": (200, 130), "pidfd_send_signal": (424, 424)}
_SOCKET, _CLONE_CALL, _CLONE3 = (41, 198), (56, 220), (435, 435)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _EQUAL, _ANY_OF, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _REFUSE, _NO_SUCH_CALL, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16


def has_seccomp() -> bool:
    """Whether the filter is written for this machine."""
    return platform.machine() in _ARCHITECTURES


def seccomp(*, only_own_signals: bool) -> None:
    """Refuse the calls above, all sockets but Unix ones, and, if asked, signals to other processes."""
    column, architecture = _ARCHITECTURES[platform.machine()]

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    def unless_argument(number: int, comparison: int, value: int, *, then: int, otherwise: int) -> list[bytes]:
        return [
            step(_EQUAL, number, 0, 4),
            step(_LOAD, _FIRST_ARGUMENT),
            step(comparison, value, 0, 1),
            step(_RETURN, then),
            step(_RETURN, otherwise),
        ]

    program = [step(_LOAD, _ARCHITECTURE), step(_EQUAL, architecture, 1, 0), step(_RETURN, _KILL), step(_LOAD, _NUMBER)]
    if column == 0:  # the x32 calls of x86_64 have numbers of their own
        program += [step(_AT_LEAST, 0x40000000, 0, 1), step(_RETURN, _REFUSE)]
    refused = _REFUSED | (_SIGNALS_REFUSED if only_own_signals else {})
    for numbers in refused.values():
        program += [step(_EQUAL, numbers[column], 0, 1), step(_RETURN, _REFUSE)]
    # clone3 has its flags in memory, out of sight of a filter: the C library falls back to clone
    program += [step(_EQUAL, _CLONE3[column], 0, 1), step(_RETURN, _NO_SUCH_CALL)]
    if only_own_signals:
        for numbers in _SIGNALS.values():
            program += unless_argument(numbers[column], _EQUAL, os.getpid(), then=_ALLOW, otherwise=_REFUSE)
    program += unless_argument(_CLONE_CALL[column], _ANY_OF, _NEW, then=_REFUSE, otherwise=_ALLOW)
    unix = 1
    program += unless_argument(_SOCKET[column], _EQUAL, unix, then=_ALLOW, otherwise=_REFUSE)
    program += [step(_RETURN, _ALLOW)]

    code = ctypes.create_string_buffer(b"".join(program))
    filter_program = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    holder = ctypes.create_string_buffer(filter_program)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    _checked(_libc.prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(holder), 0, 0), "PR_SET_SECCOMP")
