"""The book is built with every warning an error, and the site stands on its own."""

import logging
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbclient
import nbformat
import pytest
from jupyter_cache import get_cache
from sphinx.errors import ConfigError
from traitlets.config import Config

from bench.book_build import copy_of_the_book

from .conftest import BOOK, Built, build, chapters, executed

from _lib import claims, sphinx_house  # isort: skip  (book/ is put on the path by conftest)

pytestmark = pytest.mark.slow


#: What the build says when a page is executed, by Sphinx or ahead of it.
EXECUTES = re.compile(r"executing( notebook|, several pages)", re.IGNORECASE)


class Page(HTMLParser):
    """What a page loads, where it links to, the ids it has, its pictures and claims."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.unnamed: list[str] = []
        self.rulings: dict[str, str] = {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if "id" in a:
            self.ids.append(a["id"])
        if tag in ("script", "img", "iframe", "source") and "src" in a:
            self.loads.append(a["src"])
        if tag == "link" and a.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon"):
            self.loads.append(a["href"])
        if tag == "a" and "href" in a:
            self.links.append(a["href"])
        if (tag == "svg" and a.get("role") == "img" and not a.get("aria-label")) or (tag == "img" and not a.get("alt")):
            self.unnamed.append(str(a))
        if "data-claim" in a:
            self.rulings[a["data-claim"]] = a["data-ruling"]


def test_the_build_passes_with_warnings_as_errors(built: Built) -> None:
    assert built.returncode == 0, built.log[-4000:]
    assert {"index.html", *(f"{page.stem}.html" for page in chapters())} <= {page.name for page in built.pages}


def test_the_checklist_of_the_back_matter_is_that_of_the_chapter(built: Built) -> None:
    def items(page: str) -> list[str]:
        shown = (built.html / page).read_text(encoding="utf-8")
        found = re.findall(r'<li class="task-list-item">(.*?)</li>', shown, flags=re.S)
        return [re.sub(r"<.*?>", "", item).split() for item in found]

    assert len(items("checklist.html")) > 10
    assert items("checklist.html") == items("06-clinic.html")


def test_a_second_build_executes_nothing(built: Built) -> None:
    again = build()
    assert again.returncode == 0
    assert not EXECUTES.search(again.log)


def test_a_change_of_prose_executes_nothing(built: Built, tmp_path: Path) -> None:
    copy_of_the_book(tmp_path)
    shutil.copytree(BOOK.parent / "_build" / ".jupyter_cache", tmp_path / "_build" / ".jupyter_cache")
    page = tmp_path / "book" / chapters()[0].name
    text = page.read_text(encoding="utf-8").replace("\n## Summary\n", "\n## Summary\n\nOne sentence more.\n")
    page.write_text(text, encoding="utf-8")
    again = build(tmp_path)
    assert again.returncode == 0, again.log[-4000:]
    assert "One sentence more." in (again.html / f"{page.stem}.html").read_text(encoding="utf-8")
    assert not EXECUTES.search(again.log)


def test_what_the_cache_lacks_is_executed_ahead_and_failures_are_left_to_sphinx(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = "---\njupytext:\n  text_representation:\n    format_name: myst\nkernelspec:\n  name: python3\n---\n\n"
    for name, code in {"one": "print(1)", "two": "print(2)", "wrong": "1 / 0", "prose": ""}.items():
        cell = f"# Page\n\n```{{code-cell}} ipython3\n{code}\n```\n"
        (tmp_path / f"{name}.md").write_text(head + cell if code else "# Page\n", encoding="utf-8")
    config = SimpleNamespace(
        nb_execution_mode="cache", nb_execution_cache_path=str(tmp_path / "cache"), nb_execution_timeout=60,
        house_execute_ahead=True,
    )  # fmt: skip
    app = SimpleNamespace(config=config, srcdir=tmp_path)
    with caplog.at_level(logging.INFO, logger="sphinx"):
        sphinx_house.execute_ahead(app, None, ["one", "two", "wrong", "prose"])
    assert EXECUTES.search(caplog.text), "the tests of what executes nothing look for something else"
    done = {Path(record.uri).stem for record in get_cache(config.nb_execution_cache_path).list_cache_records()}
    assert done == {"one", "two"}


def test_no_page_loads_anything_from_elsewhere(built: Built) -> None:
    for path in built.pages:
        for address in Page(path).loads:
            assert not re.match(r"(https?:)?//", address), f"{path.name} loads {address}"
            local = path.parent / address.partition("?")[0]
            assert address.startswith("data:") or local.is_file(), f"{path.name}: {address} is missing"


def test_no_internal_link_is_broken(built: Built) -> None:
    pages = {path: Page(path) for path in built.pages}
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            target = (path.parent / (target.partition("?")[0] or path.name)).resolve()
            assert target.exists(), f"{path} links to {link}"
            if anchor and target in pages:
                assert anchor in pages[target].ids, f"{path} links to {link}"


def test_the_first_page_leads_to_every_chapter(built: Built) -> None:
    cards = re.findall(r'<a class="sd-stretched-link[^>]*href="([^"]+)"', (built.html / "index.html").read_text())
    assert cards == [f"{page.stem}.html" for page in chapters()]


def test_every_page_says_what_it_is(built: Built) -> None:
    titles = {}
    for path in built.pages:
        page = path.read_text(encoding="utf-8")
        titles[path.name] = re.search(r"<title>(.*?)</title>", page)[1]
        if path.stem not in ("genindex", "search"):
            assert re.search(r'<meta name="description" content="[^"]{40,}"', page), path.name
            preview = re.search(r'property="og:image" content="([^"]+)"', page)[1]
            icons = re.findall(r'<link rel="(?:icon|apple-touch-icon)" href="([^"]+)"', page)
            assert len(icons) == 2
            assert all((path.parent / file).is_file() for file in (preview, *icons)), path.name
            assert "og:url" not in page, "a page that does not know where it will stand names an address"
    assert len(set(titles.values())) == len(titles)
    assert titles["03-evaluation.html"] == "Chapter 3: eval is not no_grad – Two Switches"


def test_a_site_with_an_address_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(html_baseurl="", ogp_site_url="")
    monkeypatch.delenv("TWO_SWITCHES_SITE", raising=False)
    sphinx_house.connect_site(None, config)
    assert config.ogp_site_url == ""
    monkeypatch.setenv("TWO_SWITCHES_SITE", "https://owner.example.org/two-switches/")
    sphinx_house.connect_site(None, config)
    assert config.html_baseurl == config.ogp_site_url == "https://owner.example.org/two-switches/"
    monkeypatch.setenv("TWO_SWITCHES_SITE", "two-switches")
    with pytest.raises(ConfigError, match=r"TWO_SWITCHES_SITE is 'two-switches'. It should be the address"):
        sphinx_house.connect_site(None, config)


def test_what_is_printed_stays_in_one_piece_however_it_was_sent() -> None:
    def sent(*pieces: str) -> list[nbformat.NotebookNode]:
        return [nbformat.v4.new_output("stream", name="stdout", text=piece) for piece in pieces]

    for pieces in (["is it: True\n", "done\n"], ["is it:", " ", "True\ndo", "ne\n"]):
        outputs = sent(*pieces)
        (joined,) = sphinx_house.join_streams(outputs)
        assert joined["text"] == "is it: True\ndone\n"
        assert [output["text"] for output in outputs] == pieces, "the notebook itself was changed"


def test_every_picture_has_words(built: Built) -> None:
    for path in built.pages:
        assert not Page(path).unnamed, path.name


def test_ids_of_figures_are_unique_in_a_page(built: Built) -> None:
    for path in built.pages:
        ids = [i for i in Page(path).ids if re.match(r"f[0-9a-f]{10}-", i)]
        assert len(ids) == len(set(ids)), path.name


@pytest.mark.parametrize("page", chapters(), ids=lambda page: page.stem)
def test_the_built_chapter_shows_the_rulings_of_its_source(built: Built, page: Path) -> None:
    shown = Page(built.html / f"{page.stem}.html").rulings
    assert shown == claims.ruled(page)
    if page.stem == "03-evaluation":
        assert {c for c in claims.claims()["claims"] if c.startswith("E-")} <= set(shown)


def test_the_site_names_no_place_on_the_machine_that_built_it(built: Built) -> None:
    places = re.compile(rf"{re.escape(str(BOOK.parent))}|{re.escape(str(Path.home()))}/|/tmp/|ipykernel_\d")
    for path in built.html.rglob("*"):
        if path.suffix in {".html", ".js", ".json", ".ipynb", ".md"} and "mathjax" not in path.parts:
            found = places.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{path.relative_to(built.html)}: {found and found[0]}"


def test_nothing_of_the_solutions_is_in_the_site(built: Built) -> None:
    assert not [path for path in built.html.rglob("*") if "solutions" in path.parts or path.name.startswith("ps")]
    for path in built.html.rglob("*.html"):
        assert "BEGIN SOLUTION" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", executed(), ids=lambda page: page.stem)
def test_the_notebook_of_the_archive_runs_on_its_own(
    built: Built, page: Path, tmp_path: Path, own_sockets: dict[str, str]
) -> None:
    archive = built.html / sphinx_house.ARCHIVE
    assert f'href="{sphinx_house.ARCHIVE}"' in (built.html / "index.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(archive) as notebooks:
        packed = notebooks.read(f"two-switches/{page.stem}.ipynb")
    assert packed == (built.html / "_sources" / f"{page.stem}.ipynb").read_bytes(), "the page offers another one"
    notebook = nbformat.reads(packed.decode("utf-8"), as_version=4)
    assert f"_sources/{page.stem}.ipynb" in (built.html / f"{page.stem}.html").read_text(encoding="utf-8")
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "{glue" not in text
    assert not any(cell.get("outputs") for cell in notebook.cells)
    settings = Config(KernelManager=own_sockets)
    nbclient.NotebookClient(
        notebook, timeout=120, config=settings, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
