"""The book's own Sphinx extension: what Jupyter Book's configuration cannot say."""

from __future__ import annotations

import hashlib
import html
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import ProjectNb
from jupyter_cache.executors.basic import ExecutionWorkerLocalMProc, JupyterExecutorLocalMproc, ProcessData
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core import render
from myst_nb.core.read import is_myst_markdown_notebook
from myst_nb.core.utils import coalesce_streams
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ConfigError
from sphinx.util.logging import getLogger
from traitlets.config import Config as Settings

BOOK = Path(__file__).resolve().parent.parent
ROOT = BOOK.parent
_log = getLogger(__name__)
sys.path.insert(0, str(BOOK))  # for `_lib`, as chapters import it

from _lib import grading_page, misconception_pages, scale_page  # noqa: E402

#: Where the site has all notebooks together; index.md links to it.
ARCHIVE = "_downloads/two-switches-notebooks.zip"

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


def write_pages(app: Sphinx, config: Config) -> None:
    """Write the pages that are made from data: Sphinx reads them like any other, and git ignores them."""
    results = ROOT / "bench" / "results"
    texts = {
        **misconception_pages.pages(results),
        "grading.md": grading_page.page(results),
        "grading-at-scale.md": scale_page.page(results),
    }
    for path in (BOOK / misconception_pages.FOLDER).glob("*.md"):
        if path.relative_to(BOOK).as_posix() not in texts:
            path.unlink()
    for name, text in texts.items():
        path = BOOK / name
        path.parent.mkdir(exist_ok=True)
        # an untouched file is an unchanged page
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def configure(app: Sphinx, config: Config) -> None:
    """Jupyter Book would put every script under `_static` on every page; the vendored ones stand beside it.

    The cache of executed chapters goes by their code alone; here it also goes by what that code imports.
    """
    config.html_static_path += [str(BOOK / "_vendor"), str(BOOK / "_explorables")]
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / executed_with())


def join_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """What a cell printed, in one piece for each stream.

    A kernel sends it when it has time: on a busy machine in several pieces, cut between any two. myst-nb joins pieces
    as well, and puts a line break behind each, so that a page would depend on how busy the machine was.
    """
    joined: list[nbformat.NotebookNode] = []
    streams: dict[str, nbformat.NotebookNode] = {}
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
            continue
        if output["output_type"] == "stream":
            output = streams[output["name"]] = nbformat.from_dict(dict(output))  # the notebook keeps its own
        joined.append(output)
    return coalesce_streams(joined)


def is_notebook(source: Path) -> bool:
    """Whether a page has cells that run."""
    return is_myst_markdown_notebook(source.read_text(encoding="utf-8"))


class _OverOwnSockets(ExecutionWorkerLocalMProc):
    """Executes a page in a kernel that talks over sockets in a folder of its own instead of TCP.

    Jupyter gives a kernel ports that are free when it is started, and the kernel takes them half a second later. Of
    several kernels that start side by side another may have one by then.
    """

    @staticmethod
    def execute(project_nb: ProjectNb, data: ProcessData) -> ExecutionResult:
        with tempfile.TemporaryDirectory() as folder:  # a short path: a socket's has at most 107 characters
            settings = Settings(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})
            return single_nb_execution(
                project_nb.nb,
                cwd=str(Path(project_nb.uri).parent),
                timeout=data.timeout,
                allow_errors=data.allow_errors,
                config=settings,
            )


class _SeveralAtATime(JupyterExecutorLocalMproc):
    """jupyter-cache's parallel executor, with such kernels."""

    _EXECUTION_WORKER = _OverOwnSockets


def execute_ahead(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Execute what the cache does not have, several pages at a time; Sphinx reads one by one, and finds it there.

    A page that fails is left to Sphinx, which executes it again and says what is wrong with it.
    """
    if app.config.nb_execution_mode != "cache" or not app.config.house_execute_ahead:
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    sources = [Path(app.srcdir, f"{docname}.md") for docname in docnames]
    notebooks = [source for source in sources if source.is_file() and is_notebook(source)]
    for source in sorted(notebooks, key=lambda source: -source.stat().st_size):  # the long ones first
        cache.add_nb_to_project(str(source), read_data={"name": "myst_nb_md", "type": "plugin"})
    missing = [record.uri for record in cache.list_unexecuted(filter_uris=list(map(str, notebooks)))]
    if not missing:
        return
    _log.info("executing, several pages at a time: %s", ", ".join(Path(uri).stem for uri in missing))
    quiet = logging.getLogger("jupyter_cache")
    quiet.setLevel(logging.CRITICAL)  # Sphinx will report failures, with their place
    _SeveralAtATime(cache, logger=quiet).run_and_cache(filter_uris=missing, timeout=app.config.nb_execution_timeout)


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


def connect_site(app: Sphinx, config: Config) -> None:
    """Where the site will stand: `TWO_SWITCHES_SITE`. Canonical links and previews need its full address.

    Raises:
        ConfigError: if it is no address.
    """
    address = os.environ.get("TWO_SWITCHES_SITE", "").strip().rstrip("/")
    if not address:
        return
    if not re.fullmatch(r"https?://[\w.:-]+(/[\w.~-]+)*", address):
        raise ConfigError(
            f"TWO_SWITCHES_SITE is {address!r}. It should be the address of the site's first page, "
            "beginning with https:// and without a file's name, or not be set: then pages name no address of their own."
        )
    config.html_baseurl = config.ogp_site_url = f"{address}/"


def place_preview(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Without the site's address, the preview is looked for from this page, and the page claims no address."""
    if app.config.ogp_site_url or "metatags" not in context:
        return
    tags = re.sub(r'<meta property="og:url"[^>]*>\n?', "", context["metatags"])
    picture = app.config.ogp_image
    context["metatags"] = tags.replace(f'content="{picture}"', f'content="{context["pathto"](picture, 1)}"')


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
    """Docutils gives references a role that ARIA has retired, boxes of checklists no name, and heads empty corners."""
    if "body" in context:
        body = context["body"].replace(' role="doc-biblioentry"', ' role="listitem"')
        body = body.replace('class="task-list-item-checkbox"', 'class="task-list-item-checkbox" aria-label="to tick"')
        context["body"] = re.sub(r'<th class="head[^"]*"><p></p></th>', "<td></td>", body)


def name_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """What a browser's tab and a search engine's list say: the chapter's number, its title, the book's."""
    chapter = re.match(r"(\d\d)-", pagename)
    title = re.sub(r"<.*?>", "", context.get("title") or "")
    if pagename == app.config.root_doc:
        context["head_title"] = f"{app.config.project}: train, eval and no_grad in PyTorch"
    else:
        number = f"Chapter {int(chapter[1])}: " if chapter else ""
        context["head_title"] = f"{number}{html.unescape(title)} – {app.config.project}"


def load_later(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Scripts wait until the page is read; only the options that inline scripts write into are needed at once."""
    if pagename == "search":  # its own scripts ask for the others at once
        return
    scripts = context.get("script_files", [])
    for place, script in enumerate(scripts):
        file = getattr(script, "filename", None)
        if file and "documentation_options" not in str(file):
            # another object: pages share these
            attributes = {"defer": "defer", **script.attributes}
            scripts[place] = type(script)(file, priority=script.priority, **attributes)


def name_toggles(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """The theme's arrow that opens a list of pages in the sidebar has no name that a screen reader could say."""
    make = context.get("generate_toctree_html")
    if make:
        toggle = '<span class="toctree-toggle"'
        context["generate_toctree_html"] = lambda *args, **kw: str(make(*args, **kw)).replace(
            f"<summary>{toggle}", f'<summary aria-label="Pages below">{toggle}'
        )


def slim(app: Sphinx, exception: Exception | None) -> None:
    """Remove what the theme brings and no page asks for: its icon script, source maps, translations."""
    static = Path(app.outdir) / "_static"
    for path in {*static.rglob("*.map"), *static.glob("scripts/fontawesome*"), *static.rglob("webpack-macros.html")}:
        path.unlink()
    for folder in ("locales", "vendor/fontawesome"):
        shutil.rmtree(static / folder, ignore_errors=True)


def offer_notebook(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the chapter as a notebook beside its source; the theme's download menu offers what `ipynb_source` names."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if doctree is None or not executed.is_file() or pagename not in app.env.found_docs:
        return
    if not is_notebook(BOOK / f"{pagename}.md"):
        return
    glued = executed.with_suffix(".glue.json")
    values = json.loads(glued.read_text(encoding="utf-8")) if glued.is_file() else {}
    target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(downloadable(nbformat.read(executed, as_version=4), values), target)
    context["ipynb_source"] = target.name


def offer_archive(app: Sphinx, exception: Exception | None) -> None:
    """All notebooks in one archive, whose bytes depend on nothing but theirs."""
    if exception or app.builder.name != "html":
        return
    target = Path(app.outdir) / ARCHIVE
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for docname in sorted(app.env.found_docs):
            notebook = Path(app.outdir) / "_sources" / f"{docname}.ipynb"
            if notebook.is_file():
                entry = zipfile.ZipInfo(f"two-switches/{notebook.name}")  # its date is 1980, not today's
                archive.writestr(entry, notebook.read_bytes(), zipfile.ZIP_DEFLATED)


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
    """Markdown as JupyterLab reads it: no labels, no comments, numbers instead of glue."""

    def value(match: re.Match[str]) -> str:
        name, _, form = match[1].partition(":")
        if name not in glued:
            return match[0]  # the build has warned about it already
        shown = glued[name]["data"]["text/plain"]
        return format(float(shown), form) if form else shown.strip("'")

    text = re.sub(r"^(\([\w-]+\)=|% .*)\n", "", text, flags=re.M)
    text = re.sub(r"\{glue:text\}`([^`]+)`", value, text)
    return re.sub(r"\{(?:cite:\w+|term)\}`([^`]+)`", r"\1", text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    render.coalesce_streams = join_streams  # myst-nb has no option for it
    app.setup_extension("_lib.ledger")
    app.connect("config-inited", configure, priority=1)
    app.connect("config-inited", write_pages, priority=1)  # before the table of contents is read
    app.add_config_value("house_execute_ahead", True, "", bool)
    app.connect("env-before-read-docs", execute_ahead)
    app.connect("config-inited", connect_repository, priority=1)
    app.connect("config-inited", connect_site, priority=1)
    app.connect("html-page-context", offer_notebook, priority=400)
    app.connect("html-page-context", offer_launch, priority=600)
    app.connect("html-page-context", mend_roles)
    app.connect("html-page-context", name_page)
    app.connect("html-page-context", place_preview, priority=600)  # the tags are there by then
    app.connect("html-page-context", name_toggles, priority=900)
    app.connect("html-page-context", load_later, priority=900)
    app.connect("build-finished", offer_archive)
    app.connect("build-finished", slim)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
