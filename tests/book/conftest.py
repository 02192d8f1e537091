"""The built book, made once per test run from the cache of executed chapters."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
sys.path.insert(0, str(BOOK))

BUILD = ["build", "book", "--config", "_config.yml", "--path-output", ".", "--all", "-W", "-n", "--keep-going"]


@dataclass
class Built:
    """What the build command said, and where the pages are."""

    returncode: int
    log: str
    html: Path

    @property
    def pages(self) -> list[Path]:
        """All pages, those in folders too."""
        return sorted(path for path in self.html.rglob("*.html") if "_static" not in path.parts)


def build(root: Path = ROOT, builder: str = "html") -> Built:
    command = [str(Path(sys.executable).with_name("jupyter-book")), *BUILD]
    if builder != "html":
        command += ["--builder", "custom", "--custom-builder", builder]
    environment = {**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, "jupyter-book said nothing: it did not run"
    return Built(done.returncode, done.stdout + done.stderr, root / "_build" / builder)


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> Built:
    if "PYTEST_XDIST_WORKER" in os.environ:
        names = (item.nodeid for item in request.session.items if _is_here(item))
        assert all(name.endswith("@book") for name in names), "pytest-xdist does not group tests: two builds would race"
    (ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(ROOT / "_build" / ".book.lock"):  # test workers share the folder
        return build()


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for all that builds or reads the site: a build would take pages away from under another's browser."""
    for item in items:
        if _is_here(item):
            item.add_marker(pytest.mark.xdist_group("book"))


def _is_here(item: pytest.Item) -> bool:
    return item.path.is_relative_to(Path(__file__).parent)


def chapters() -> list[Path]:
    return sorted(BOOK.glob("[0-9][0-9]-*.md"))


def executed() -> list[Path]:
    """All pages that are notebooks: the chapters, and those of the back matter that run code."""
    return [page for page in sorted(BOOK.glob("*.md")) if page.read_text(encoding="utf-8").startswith("---\njupytext")]
