"""Whether two builds of the book from clean give the same site, byte by byte: the same figures and the same numbers.

Each build executes every page, in a copy of the book without any cache. Both stand at the same place, one after the
other, because Sphinx writes a digest of its configuration, paths included. Nothing is left out of the comparison but
the pictures of measured times, which cells with the tag `measures-time` draw.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import _record
from bench.book_build import build, copy_of_the_book

TIMED = "tag_measures-time"


def timeless(page: str) -> tuple[str, int]:
    """A page without the pictures of measured times, and how many there were."""
    left_out = 0
    cells = re.split(r'(?=<div class="cell )', page)
    for place, cell in enumerate(cells):
        if TIMED in cell.partition(">")[0]:
            cells[place], found = re.subn(r"<svg\b.*?</svg>", "", cell, flags=re.S)
            left_out += found
    return "".join(cells), left_out


def site(folder: Path) -> dict[str, bytes]:
    """The files of a built site by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def differences(first: dict[str, bytes], second: dict[str, bytes]) -> tuple[list[str], int]:
    """Names of the files that differ, or that one side lacks; and how many pictures of times were left out."""
    differ, left_out = sorted(first.keys() ^ second.keys()), 0
    for name in sorted(first.keys() & second.keys()):
        if name.endswith(".html"):
            (one, timed), (two, _) = timeless(first[name].decode("utf-8")), timeless(second[name].decode("utf-8"))
            left_out += timed
        else:
            one, two = first[name], second[name]
        if one != two:
            differ.append(name)
    return differ, left_out


@click.command(help=__doc__)
def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, place = Path(folder, "source"), Path(folder, "place")
        source.mkdir()
        copy_of_the_book(source)  # once: somebody may be writing
        sites, loads = [], []
        for number in (1, 2):
            print(f"build {number} of 2")
            shutil.copytree(source, place)
            build(place, place / "_config.yml", ".", "-W", "-n", "--keep-going")
            loads.append(round(os.getloadavg()[0], 1))
            sites.append(site(place / "_build" / "html"))
            shutil.rmtree(place)
    differ, left_out = differences(*sites)
    pages = "".join(text.decode("utf-8") for name, text in sites[0].items() if name.endswith(".html"))
    counts = {
        "files": len(sites[0]),
        "bytes": sum(map(len, sites[0].values())),
        "figures": pages.count('class="house-figure"'),
        "numbers_in_prose": pages.count("pasted-text"),
        "pictures_of_times_left_out": left_out,
    }
    print(", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items()))
    print("identical" if not differ else f"{len(differ)} differ: {', '.join(differ)}")
    _record.write("rebuilds", load_after_each=loads, compared=counts, differ=differ)
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
