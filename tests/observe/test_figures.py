"""The house style of figures: safe to read in any theme, and the same on every build."""

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from autograder.observe import figures

BACKGROUNDS = {"white": "#ffffff", "dark book": "#121212", "dark book, boxes": "#222832", "dark JupyterLab": "#111111"}

# Linear-RGB simulation of the three dichromacies at full severity: Machado, Oliveira and Fernandes (2009), table 1.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}


def linear(color: str) -> np.ndarray:
    c = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio."""
    dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def drawing() -> str:
    fig, axes = figures.figure(ncols=2, sharey=True)
    for i, ax in enumerate(axes):
        ax.plot([0, 1], [0, 1], label="a < b", **figures.line(i, marker=True))
        ax.bar([0, 1], [1, 2], **figures.bars(i + 1))
        ax.set_xlabel("steps (count)")
        ax.legend()
    return figures.to_html(fig, 'loss, "train" < "eval"')


@pytest.mark.parametrize("name", figures.COLORS)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_data_colours_have_contrast_on_every_background(name: str, background: str) -> None:
    assert contrast(figures.COLORS[name], BACKGROUNDS[background]) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_data_colours_stay_apart_for_every_kind_of_colour_vision(vision: str) -> None:
    seen = {name: lab(VISION[vision] @ linear(color)) for name, color in figures.COLORS.items()}
    for (a, x), (b, y) in itertools.combinations(seen.items(), 2):
        assert np.linalg.norm(x - y) >= 10, f"{a} and {b} look alike under {vision}"


def test_series_differ_without_colour() -> None:
    n = len(figures.COLORS)
    assert len({str(figures.line(i)["linestyle"]) for i in range(n)}) == n
    assert len({figures.line(i, marker=True)["marker"] for i in range(n)}) == n
    assert len({figures.bars(i).get("hatch") for i in range(n)}) == n


def test_a_colour_can_be_asked_for_by_name_or_number() -> None:
    assert figures.line("orange") == figures.line(1)
    assert figures.bars("orange") == figures.bars(1 + len(figures.COLORS))
    with pytest.raises(ValueError, match="no colour 'red' in the house style; choose one of blue, orange"):
        figures.line("red")


def test_the_svg_is_well_formed_and_named() -> None:
    root = ET.fromstring(drawing())
    svg = root[0]
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'loss, "train" < "eval"'
    assert svg.get("viewBox")
    assert svg.get("width") is None, "the page decides how wide a figure is"


def test_black_takes_the_colour_of_the_page() -> None:
    text = drawing()
    assert "currentColor" in text
    assert not re.search(r"(fill|stroke): (#000000|#ffffff|black|white)", text)


def test_the_hatches_and_markers_that_are_referred_to_exist_once() -> None:
    text = drawing()
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(ids) == set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    assert "<pattern" in text


def test_two_figures_share_no_id() -> None:
    fig, ax = figures.figure()
    ax.bar([0], [3], **figures.bars(1))
    other = figures.to_html(fig, "three")
    assert not set(re.findall(r' id="([^"]+)"', other)) & set(re.findall(r' id="([^"]+)"', drawing()))


def test_nothing_of_the_figure_leaks_into_the_page() -> None:
    text = drawing()
    assert "<style" not in text
    assert "\n\n" not in text, "a blank line would end the HTML block in Markdown"


def test_the_same_figure_gives_the_same_text() -> None:
    assert drawing() == drawing()
    fig, ax = figures.figure()
    ax.set_ylabel("loss (nats)")
    assert figures.to_html(fig, "x") == figures.to_html(fig, "x")


def test_the_figure_is_left_as_it_was_and_its_surfaces_are_transparent() -> None:
    fig, ax = figures.figure()
    ax.inset_axes((0.6, 0.6, 0.3, 0.3))
    patches = [fig.patch, ax.patch, ax.child_axes[0].patch]
    before = fig.canvas, fig.dpi, [patch.get_facecolor() for patch in patches]
    text = figures.to_html(fig, "x")
    assert (fig.canvas, fig.dpi, [patch.get_facecolor() for patch in patches]) == before
    assert "#ffffff" not in text


def test_a_figure_needs_words() -> None:
    fig, _ = figures.figure()
    with pytest.raises(ValueError, match="alt="):
        figures.to_html(fig, "  ")


def test_show_gives_svg_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    fig, _ = figures.figure()
    figures.show(fig, alt="an empty plot")
    assert "<svg" in shown[0]["text/html"]
    assert shown[0]["text/plain"] == "[figure] an empty plot"
    with pytest.raises(ValueError, match="alt="):
        figures.show(fig)
    fig.alt = "its own words"
    figures.show(fig)
    assert 'aria-label="its own words"' in shown[1]["text/html"]


def test_a_figure_left_as_the_last_value_of_a_cell_shows_itself() -> None:
    fig, _ = figures.figure()
    fig.alt = "an empty plot"
    assert 'aria-label="an empty plot"' in fig._repr_html_()


def test_savefig_is_black_on_white(tmp_path) -> None:
    from PIL import Image

    fig, ax = figures.figure()
    ax.set_xlabel("steps (count)")
    fig.savefig(tmp_path / "plain.png")
    picture = Image.open(tmp_path / "plain.png").convert("RGB")
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert picture.getextrema()[0][0] < 40


def test_importing_the_house_style_does_not_import_matplotlib() -> None:
    code = (
        "import sys, importlib.util as u; "
        f"s = u.spec_from_file_location('figures', {figures.__file__!r}); m = u.module_from_spec(s); "
        "s.loader.exec_module(m); sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
