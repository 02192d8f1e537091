"""The book's own Sphinx extension: what Jupyter Book's configuration cannot say."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

BOOK = Path(__file__).resolve().parent.parent
ROOT = BOOK.parent

#: Modules of this folder that chapters import; a downloaded notebook carries them along.
HELPERS = ("claims", "explorables", "quiz", "tables")


def executed_with() -> str:
    """A digest of everything outside a chapter that its outputs depend on."""
    sources = [
        *sorted((ROOT / "autograder" / "observe").glob("*.py")),
        *(BOOK / "_lib" / f"{name}.py" for name in HELPERS),
        BOOK / "claims" / "claims.yml",
        ROOT / "requirements.txt",
    ]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def configure(app: Sphinx, config: Config) -> None:
    """Jupyter Book would put every script under `_static` on every page; the vendored ones stand beside it.

    The cache of executed chapters goes by their code alone; here it also goes by what that code imports.
    """
    config.html_static_path += [str(BOOK / "_vendor"), str(BOOK / "_explorables")]
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / executed_with())


def connect_repository(app: Sphinx, config: Config) -> None:
    """Links to the repository, and to Binder, need its address: `TWO_SWITCHES_REPOSITORY`. Without it there are none.

    Raises:
        ConfigError: if it is no address of a repository.
    """
    address = os.environ.get("TWO_SWITCHES_REPOSITORY", "").strip().rstrip("/").removesuffix(".git")
    config.add("house_repository", address, "html", (str,))
    if not address:
        return
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+){2,}", address):
        raise ConfigError(
            f"TWO_SWITCHES_REPOSITORY is {address!r}. It should be the address of the repository's page, such as "
            "https://github.com/OWNER/NAME, or not be set: then the book has no links to a repository."
        )
    config.html_theme_options |= {
        "repository_url": address,
        "repository_branch": "main",
        "path_to_docs": "book",
        "use_repository_button": True,
    }


def launch_url(repository: str, page: str) -> str | None:
    """Binder, opened on a chapter's problem set; None where there is none, or where Binder does not look."""
    place = re.fullmatch(r"https://(github|gitlab)\.com/([^/]+)/([^/]+)", repository)
    notebook = next(ROOT.glob(f"exercises/ps{int(page[:2])}-*/ps*.ipynb"), None) if re.match(r"\d\d-", page) else None
    if not place or notebook is None:
        return None
    where = f"gh/{place[2]}/{place[3]}" if place[1] == "github" else f"gl/{place[2]}%2F{place[3]}"
    return f"https://mybinder.org/v2/{where}/main?urlpath=lab/tree/{notebook.relative_to(ROOT).as_posix()}"


def offer_launch(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Beside the download button, a chapter's exercises where they can be done without installing anything."""
    url = launch_url(app.config.house_repository, pagename)
    if url and "header_buttons" in context:
        context["header_buttons"].append(
            {
                "type": "link",
                "url": url,
                "icon": "fas fa-rocket",
                "tooltip": "Do the exercises on Binder",
                "label": "launch-exercises",
            }
        )


def mend_roles(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Docutils gives references a role that ARIA has retired; in a list they are list items."""
    if "body" in context:
        context["body"] = context["body"].replace(' role="doc-biblioentry"', ' role="listitem"')


def offer_notebook(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the chapter as a notebook beside its source; the theme's download menu offers what `ipynb_source` names."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if doctree is None or not executed.is_file() or pagename not in app.env.found_docs:
        return
    if not (BOOK / f"{pagename}.md").read_text(encoding="utf-8").startswith("---\njupytext"):
        return
    glued = executed.with_suffix(".glue.json")
    values = json.loads(glued.read_text(encoding="utf-8")) if glued.is_file() else {}
    target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(downloadable(nbformat.read(executed, as_version=4), values), target)
    context["ipynb_source"] = target.name


def downloadable(notebook: nbformat.NotebookNode, glued: dict[str, Any]) -> nbformat.NotebookNode:
    """The chapter without outputs, its numbers written into the text, and the book's helpers in its first cell."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = _plain(cell.source, glued)
    carried = {f"_lib.{name}": (BOOK / "_lib" / f"{name}.py").read_text(encoding="utf-8") for name in HELPERS}
    claims = (BOOK / "claims" / "claims.yml").read_text(encoding="utf-8")
    source = (
        "# What this chapter borrows from the book. It needs the course's environment: requirements.txt.\n"
        "import sys, tempfile, types\nfrom pathlib import Path\n\n"
        "book = Path(tempfile.mkdtemp())\n(book / 'claims').mkdir()\n"
        f"(book / 'claims' / 'claims.yml').write_text({claims!r}, encoding='utf-8')\n"
        "sys.modules['_lib'] = types.ModuleType('_lib')\n"
        f"for name, code in {carried!r}.items():\n"
        "    module = sys.modules[name] = types.ModuleType(name)\n"
        "    module.__file__ = str(book / '_lib' / name)\n"
        "    exec(compile(code, name, 'exec'), module.__dict__)\n"
    )
    folded = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    first = nbformat.v4.new_code_cell(source, id="borrowed", metadata=folded)
    notebook.cells.insert(0, first)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def _plain(text: str, glued: dict[str, Any]) -> str:
    """Markdown as JupyterLab reads it: no labels, numbers instead of glue."""

    def value(match: re.Match[str]) -> str:
        name, _, form = match[1].partition(":")
        if name not in glued:
            return match[0]  # the build has warned about it already
        shown = glued[name]["data"]["text/plain"]
        return format(float(shown), form) if form else shown.strip("'")

    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"\{glue:text\}`([^`]+)`", value, text)
    return re.sub(r"\{(?:cite:\w+|term)\}`([^`]+)`", r"\1", text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("config-inited", configure, priority=1)
    app.connect("config-inited", connect_repository, priority=1)
    app.connect("html-page-context", offer_notebook, priority=400)
    app.connect("html-page-context", offer_launch, priority=600)
    app.connect("html-page-context", mend_roles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
