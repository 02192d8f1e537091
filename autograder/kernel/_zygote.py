"""The zygote: imports once what every kernel needs, then forks a kernel, or a service, for each request.

Run as `python -m autograder.kernel._zygote SOCKET line|sockets MODULE,MODULE…` by `_parent.Zygote`, in bubblewrap at
level full.
It never runs a line of a notebook. It has one thread whenever it forks: a lock that another thread holds at that moment
would stay locked in the child for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tarfile
import tempfile
import threading
import traceback
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

from . import _app, _keeper, _line_app, _linux, _sandbox
from ._levels import Layer, Limits
from ._wire import LARGEST_REQUEST, MOST_DESCRIPTORS


def main() -> None:
    """Import, report, fork on request, end when the owner's end of the socket closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    with _ending_with_owner(control), _settled():
        for module in filter(None, sys.argv[3].split(",")):
            importlib.import_module(module)
        _app.warm_up()
        app = _line_app.made() if sys.argv[2] == "line" else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the owner decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers speak for themselves; nobody waits for them
    control.send(json.dumps({"ready": os.getpid()}).encode())
    while True:
        words, descriptors, _, _ = socket.recv_fds(control, LARGEST_REQUEST, MOST_DESCRIPTORS)
        if not words:
            os._exit(0)
        request = json.loads(words)
        if "import" in request:
            if request["import"] not in sys.modules:
                with _settled(), contextlib.suppress(ImportError):  # a notebook that needs it will say so
                    importlib.import_module(request["import"])
            continue
        link = socket.socket(fileno=descriptors[0])
        try:
            if "serve" in request:
                _fork_service(control, link, request["serve"])
            else:
                _fork(control, link, descriptors[1:], request, app)
        except OSError as error:
            _keeper.report(link, failed=f"no new process: {error}")
        finally:
            link.close()
            for descriptor in descriptors[1:]:
                os.close(descriptor)


@contextlib.contextmanager
def _ending_with_owner(control: socket.socket) -> Iterator[None]:
    """While it imports, too: what is imported for nobody would write into a folder that has been removed by then.

    The thread that looks is gone before anything is forked.
    """
    imported, told = os.pipe()

    def look() -> None:
        poll = select.poll()
        poll.register(control, select.POLLRDHUP)  # a request that is there already does not wake it
        poll.register(imported, select.POLLIN)
        if imported not in dict(poll.poll()):
            os._exit(1)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        os.close(told)
        looking.join()
        os.close(imported)


@contextlib.contextmanager
def _settled() -> Iterator[None]:
    """What is imported inside stays as it is: nothing looks through it, and a fork has little of it to copy."""
    gc.disable()  # it would look through all that is imported again and again, for a third of the time
    try:
        yield
    finally:
        gc.freeze()  # the collector writes into every object it looks at, and a page written to is no longer shared
        gc.enable()
        _linux.use_huge_pages()


def _fork(
    control: socket.socket,
    link: socket.socket,
    descriptors: list[int],
    request: dict[str, Any],
    app: _line_app.LineApp | None,
) -> None:
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        _keeper.report(link, failed=f"the preloaded modules left {threads - 1} threads running, which no fork survives")
        return
    if os.fork() == 0:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        layers = frozenset(map(Layer, request["layers"]))
        limits = Limits(**request["limits"])
        kernel = partial(_kernel, link, descriptors, layers, limits, request, app)
        _keeper.keep(link, layers, limits, request["private"], descriptors, kernel)


def _fork_service(control: socket.socket, link: socket.socket, function: str) -> None:
    """A process that runs what the owner names, with the socket that it sent, and nothing of a notebook's."""
    if os.fork() == 0:
        try:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            module, _, name = function.partition(":")
            _linux.name_process(name)
            getattr(importlib.import_module(module), name)(link)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


def _kernel(
    link: socket.socket,
    descriptors: list[int],
    layers: frozenset[Layer],
    limits: Limits,
    request: dict[str, Any],
    app: _app.BareApp | None,
) -> NoReturn:
    """The forked process: put on what was asked for, take off what was inherited, be a kernel."""
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        link, sockets, files = _place_descriptors(link, descriptors, request["keep"])
        os.environ.clear()
        os.environ.update(request["env"])
        tempfile.tempdir = None  # to be looked up again: the zygote's is not for us
        folder = request["private"]
        if folder is None:
            os.chdir(request["cwd"])
            os.close(files)
        else:
            _sandbox.make_private_folder(folder)
            os.chdir(os.path.join(folder, "work"))
            _unpack(files)
        sys.path.append(os.getcwd())  # last: a file beside the notebook shadows no module
        _fresh_random_state()
        try:
            _sandbox.shut_in(layers, limits, request["readable"], folder or "/")
        except OSError as error:
            _keeper.report(link, failed=str(error), wall=True)
            os._exit(1)
        sys.argv = ["ipykernel"]
        if isinstance(app, _line_app.LineApp):
            app.take(sockets, limits)
        else:
            app = _app.start(sockets, request["key"], request["arguments"], limits)
        _keeper.report(link, running=os.getpid())
        link.close()  # a notebook is not to speak for us
        app.start()
    except BaseException as error:
        _keeper.report(link, failed=f"{type(error).__name__}: {error} (arguments {request['arguments']})")
    finally:
        os._exit(1)


def _place_descriptors(
    link: socket.socket, descriptors: list[int], keep: list[int]
) -> tuple[socket.socket, tuple[int, ...], int]:
    """Give the descriptors in `keep` the numbers they had, close whatever else is open; (link, sockets, files)."""
    highest = max([*keep, 2])
    # first out of the way: a number that is wanted could be that of another
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, highest + 1) for each in (link.detach(), *descriptors)]
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in moved:
            with contextlib.suppress(OSError):  # the listing's own is closed by now
                os.close(int(name))
    null = os.open(os.devnull, os.O_RDWR)  # 0
    os.dup2(null, 1)
    os.dup2(null, 2)
    last = len(moved) - len(keep)
    for wanted, descriptor in zip(keep, moved[last:], strict=True):
        os.dup2(descriptor, wanted, inheritable=False)
        os.close(descriptor)
    return socket.socket(fileno=moved[0]), tuple(moved[1 : last - 1]), moved[last - 1]


def _unpack(files: int) -> None:
    with open(files, "rb") as source, tarfile.open(fileobj=source) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        archive.extractall()


def _fresh_random_state() -> None:
    """As a new process has it: not the zygote's, and not that of another kernel (`random` sees to itself)."""
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed(int.from_bytes(os.urandom(4), "little"))
    if torch := sys.modules.get("torch"):
        torch.seed()


if __name__ == "__main__":
    main()
