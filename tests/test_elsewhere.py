"""Running elsewhere: what can be known of these files without the places they are for."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess

import pytest
import yaml

from .conftest import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
PLACES = [
    *WORKFLOWS,
    ROOT / ".binder/postBuild",
    ROOT / ".devcontainer/devcontainer.json",
    ROOT / "deploy/jupyterhub.Dockerfile",
]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: path.name)
def test_it_says_that_it_is_untested_here(path: os.PathLike[str]) -> None:
    with open(path, encoding="utf-8") as file:
        assert "ntested here" in file.read(200)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_make_has_with_pinned_actions(path: os.PathLike[str]) -> None:
    with open(path, encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M)
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"]
    assert workflow["permissions"]["contents"] == "read"
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
        else:
            assert step["run"].split()[1] in targets


def test_binder_can_run_its_script() -> None:
    script = ROOT / ".binder/postBuild"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", script], check=True)
    assert (ROOT / ".binder/runtime.txt").read_text() == "python-3.11\n"


def test_the_hubs_image_holds_the_kit_and_nothing_else() -> None:
    lines = (ROOT / "deploy/jupyterhub.Dockerfile").read_text().splitlines()
    copied = [line.split()[-2] for line in lines if line.startswith(("COPY", "ADD"))]
    assert copied == ["two-switches-kit.zip"]


def test_the_devcontainer_is_json() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"].startswith("make env")
