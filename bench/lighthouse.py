"""Lighthouse on every chapter of the built book (`make book` first), and what a reader's browser fetches.

npm's lighthouse is installed into a temporary folder, or taken from --installed. The pages are served on the loopback
address as static hosts serve them: compressed, to be kept for ten minutes. --plain serves them as they are.
Performance depends on what else the machine does: Lighthouse's own benchmark index says how fast it found it.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import _record
from tools.pdf import QUIET

VERSION = "12.8.2"  # the last that runs on Node 18 and 20
SITE = ROOT / "_build" / "html"
CATEGORIES = ("performance", "accessibility", "best-practices")
_TEXT = {".html", ".css", ".js", ".svg", ".json"}


class Host(SimpleHTTPRequestHandler):
    """Serves a folder; `plain` leaves compression away."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, plain: bool, **kw: Any) -> None:
        self.plain = plain
        super().__init__(*args, **kw)

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if self.plain or path.suffix not in _TEXT or not path.is_file():
            return super().do_GET()
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def install(folder: Path) -> Path:
    """Lighthouse's command, from npm."""
    npm = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run([*npm, f"lighthouse@{VERSION}"], check=True)
    return folder / "node_modules" / ".bin" / "lighthouse"


def lighthouse(command: Path, address: str, chromium: str) -> dict[str, Any]:
    """One run on one page: scores, requests outside, bytes, and how fast the machine was."""
    options = ["--preset=desktop", "--output=json", "--quiet", f"--only-categories={','.join(CATEGORIES)}"]
    flags = " ".join(["--headless=new", *QUIET])
    done = subprocess.run(
        [str(command), address, *options, f"--chrome-flags={flags}"],
        env={**os.environ, "CHROME_PATH": chromium}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    report = json.loads(done.stdout)
    requests = report["audits"]["network-requests"]["details"]["items"]
    origin = address.rsplit("/", 1)[0]
    return {
        **{name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES},
        "outside": sum(not r["url"].startswith((origin, "data:", "blob:")) for r in requests),
        "kilobytes": round(sum(r["transferSize"] for r in requests) / 1024),
        "benchmark_index": report["environment"]["benchmarkIndex"],
    }


def visits(origin: str, pages: list[str], chromium: str) -> list[dict[str, Any]]:
    """What one browser fetches that reads these pages in turn."""
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        for name in pages:
            sizes.clear()
            page.goto(f"{origin}/{name}", wait_until="networkidle")
            rows.append(
                {"page": name, "kilobytes": round(sum(sizes) / 1024), "requests": sum(size > 0 for size in sizes)}
            )
        browser.close()
    return rows


@click.command(help=__doc__)
@click.option("--runs", default=3, show_default=True, help="Runs on each page; the median counts.")
@click.option("--installed", type=click.Path(exists=True, path_type=Path), help="Lighthouse's command, if it is there.")
@click.option("--plain", is_flag=True, help="Serve without compression.")
@click.option("--page", help="Look at this page alone, such as 00-two-switches.html, and record nothing.")
def main(runs: int, installed: Path | None, plain: bool, page: str | None) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or (installed is None and shutil.which("npm") is None):
        print("bench/lighthouse.py needs Chromium, Node and npm: skipped")
        return
    if not (SITE / "index.html").is_file():
        raise click.ClickException("_build/html/index.html is not there: make book")
    pages = sorted(path.name for path in SITE.glob("[0-9][0-9]-*.html"))
    if page and not (SITE / page).is_file():
        raise click.BadParameter(f"there is no {page} in _build/html", param_hint="--page")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=str(SITE), plain=plain))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        command = installed or install(Path(folder))
        print(f"{'page':28}" + "".join(f"{name:>16}" for name in (*CATEGORIES, "outside", "KiB", "machine")))
        for name in [page] if page else ["index.html", *pages]:
            found = [lighthouse(command, f"{origin}/{name}", chromium) for _ in range(runs)]
            rows[name] = {key: round(statistics.median(run[key] for run in found)) for key in found[0]}
            print(f"{name:28}" + "".join(f"{value:16}" for value in rows[name].values()), flush=True)
    if page:
        return
    read = visits(origin, pages[:2], chromium)
    server.shutdown()
    for row in read:
        print(f"read in turn: {row['page']:28} {row['kilobytes']:6} KiB in {row['requests']} requests")
    _record.write("lighthouse", lighthouse=VERSION, runs=runs, compressed=not plain, pages=rows, read_in_turn=read)


if __name__ == "__main__":
    main()
