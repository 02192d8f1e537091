"""The same gradebook on a PostgreSQL server, and from the workers of a Dask cluster."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.grading.classes import PS0, contents, release_to, right, wrong

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LIVE, TABLE = "switches.live_modules", "switches.truth_table"
CLASS = {"all-right": {LIVE: right(LIVE), TABLE: right(TABLE)}, "untouched": {}, "wrong": {LIVE: wrong(LIVE)}}


@pytest.fixture(scope="module")
def released(course: Path, nbgrader: Callable) -> Path:
    return release_to(course, nbgrader, CLASS)


def grade(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograder.cli", "grade", "ps0", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def at_home(released: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the gradebook says after grading with local workers, on SQLite."""
    folder = tmp_path_factory.mktemp("home") / "course"
    shutil.copytree(released, folder)
    done = grade(folder, "--jobs=2")
    assert done.returncode == 0, done.stderr
    return contents(folder / "gradebook.db")


# ---------------------------------------------------------------------- PostgreSQL


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of an empty database on a server of its own, in a temporary folder, on a socket there."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL server here: install your system's package postgresql")
    as_user: list[str] = []
    user = getpass.getuser()
    if os.geteuid() == 0:  # the server refuses to run as root
        if (
            not shutil.which("runuser")
            or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode
        ):
            pytest.skip("a PostgreSQL server does not run as root, and there is no user postgres to run it as")
        as_user, user = ["runuser", "-u", "postgres", "--"], "postgres"
    with tempfile.TemporaryDirectory(prefix="pg") as folder, ExitStack() as stack:
        os.chmod(folder, 0o777)
        data, log = f"{folder}/data", f"{folder}/log"
        run = [*as_user, f"{programs[-1]}/"]

        def call(name: str, *arguments: str) -> None:
            command = [*run[:-1], run[-1] + name, *arguments]
            done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

        call("initdb", "-D", data, "-A", "trust", "--no-sync", "-E", "UTF8")
        call("pg_ctl", "-D", data, "-l", log, "-w", "-o", f"-k {folder} -c listen_addresses=''", "start")
        stack.callback(call, "pg_ctl", "-D", data, "-m", "immediate", "stop")
        call("createdb", "-h", folder, "grades")
        yield f"postgresql+psycopg://{user}@/grades?host={folder}"


def test_a_gradebook_on_postgresql_says_the_same(
    server: str, released: Path, at_home: dict[str, list[str]], tmp_path: Path, nbgrader: Callable
) -> None:
    folder = tmp_path / "course"
    shutil.copytree(released, folder)
    (folder / "gradebook.db").unlink()
    done = grade(folder, f"--db={server}")
    assert done.returncode == 2
    advice = f"autograder release {PS0} --db='{server}'"
    assert advice in done.stderr
    command = [sys.executable, "-m", "autograder.cli", *shlex.split(advice)[1:]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = grade(folder, f"--db={server}", "--jobs=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(server) == at_home
    assert not (folder / "gradebook.db").exists()
    again = grade(folder, f"--db={server}")
    assert "0 graded, 3 had been graded before" in again.stdout
    done = nbgrader(folder, "generate_feedback", PS0, f"--db={server}")
    assert done.returncode == 0, done.stdout
    done = nbgrader(folder, "export", "--to=grades.csv", f"--db={server}")
    assert "all-right" in (folder / "grades.csv").read_text()


# ---------------------------------------------------------------------- Dask


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a `dask scheduler` with two `dask worker` processes, all on loopback."""
    pytest.importorskip("distributed", reason="Dask is not installed: pip install '.[cluster]'")
    found = tmp_path / "scheduler.json"  # the scheduler takes a free port and writes its address there
    dask = [sys.executable, "-m", "dask"]
    commands = [[*dask, "scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={found}", "--no-dashboard"]]
    worker = [*dask, "worker", f"--scheduler-file={found}", "--host=127.0.0.1", "--nworkers=1", "--nthreads=1"]
    worker += ["--no-dashboard", f"--local-directory={tmp_path}"]
    commands += [[*worker, f"--name=worker-{n}"] for n in range(2)]
    with ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((tmp_path / f"dask-{number}.log").open("w"))
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=tmp_path)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            while not found.exists():  # the client would wait for a scheduler that has ended
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                    pytest.fail(f"the scheduler ended: {Path(log.name).read_text()}")
        from distributed import Client

        with Client(scheduler_file=str(found), timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield json.loads(found.read_text())["address"]


def test_the_workers_of_a_cluster_give_the_same_gradebook(
    cluster: str, released: Path, at_home: dict[str, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "course"
    shutil.copytree(released, folder)
    done = grade(folder, f"--scheduler={cluster}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 graded" in done.stdout
    assert contents(folder / "gradebook.db") == at_home
