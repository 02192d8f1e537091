"""Links to a repository, and to Binder: there when its address is configured, absent otherwise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sphinx.config import Config
from sphinx.errors import ConfigError

from .conftest import BOOK, Built, chapters

from _lib import sphinx_house  # isort: skip  (book/ is put on the path by conftest)

GITHUB = "https://github.com/OWNER/NAME"
FIRST = "exercises/ps0-switches/ps0.ipynb"


def configured(monkeypatch: pytest.MonkeyPatch, address: str | None) -> Config:
    if address is None:
        monkeypatch.delenv("TWO_SWITCHES_REPOSITORY", raising=False)
    else:
        monkeypatch.setenv("TWO_SWITCHES_REPOSITORY", address)
    config = Config()
    config.add("html_theme_options", {"use_repository_button": False}, "html", ())
    sphinx_house.connect_repository(None, config)  # type: ignore[arg-type]
    return config


def buttons(config: Config, page: str) -> list[dict[str, Any]]:
    context: dict[str, Any] = {"header_buttons": []}
    sphinx_house.offer_launch(SimpleNamespace(config=config), page, "page.html", context, None)  # type: ignore[arg-type]
    return context["header_buttons"]


@pytest.mark.parametrize("address", [None, "", "  "])
def test_without_an_address_there_is_nothing(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    config = configured(monkeypatch, address)
    assert config.html_theme_options == {"use_repository_button": False}
    assert buttons(config, "00-two-switches") == []


@pytest.mark.parametrize("address", [GITHUB, f"{GITHUB}/", f"{GITHUB}.git"])
def test_with_an_address_there_are_both(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    config = configured(monkeypatch, address)
    assert config.html_theme_options["use_repository_button"] is True
    assert config.html_theme_options["repository_url"] == GITHUB
    (button,) = buttons(config, "00-two-switches")
    assert button["url"] == f"https://mybinder.org/v2/gh/OWNER/NAME/main?urlpath=lab/tree/{FIRST}"
    assert buttons(config, "glossary") == []


def test_every_launch_opens_a_notebook_that_exists() -> None:
    urls = {page.stem: sphinx_house.launch_url(GITHUB, page.stem) for page in chapters()}
    assert urls["00-two-switches"]
    for url in urls.values():
        assert url is None or Path(BOOK.parent, url.partition("lab/tree/")[2]).is_file()


def test_binder_where_it_finds_repositories() -> None:
    assert "/v2/gl/OWNER%2FNAME/main" in sphinx_house.launch_url("https://gitlab.com/OWNER/NAME", "00-x")
    assert sphinx_house.launch_url("https://git.example.org/OWNER/NAME", "00-x") is None


@pytest.mark.parametrize(
    "address", ["OWNER/NAME", "git@github.com:OWNER/NAME.git", "http://github.com/a/b", "https://x"]
)
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(ConfigError, match="It should be the address of the repository's page, such as https://"):
        configured(monkeypatch, address)


@pytest.mark.slow
def test_the_built_book_has_no_such_buttons_unasked(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in built.pages:
        text = page.read_text(encoding="utf-8")
        assert "mybinder.org" not in text
        assert "source-repository" not in text
