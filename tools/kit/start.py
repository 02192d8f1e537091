"""Install what the course needs into `.venv` beside this file, and open the first problem set.

    python3 start.py        Windows: py start.py

Later runs only open JupyterLab. Options other than --install-only go to pip.
"""

# Old Pythons must be able to read this file, to say that they are too old: no newer syntax here.

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
READY = VENV / ".ready"
FIRST = "ps0-switches/ps0.ipynb"


def main(arguments):
    """Set up, open JupyterLab; what went wrong, in words, or None."""
    if sys.version_info < (3, 11):
        found = ".".join(str(n) for n in sys.version_info[:3])
        return f"Python 3.11 or newer is needed, this is {found}. Get one from https://www.python.org/downloads/"
    wheels = sorted(HERE.glob("autograder-*.whl"))
    missing = [name for name in ("requirements.txt", f"exercises/{FIRST}") if not (HERE / name).is_file()]
    if missing or not wheels:
        what = missing[0] if missing else "autograder-*.whl"
        return f"{what} is not beside start.py. Unpack the whole zip into one folder and run start.py there."
    only_install = "--install-only" in arguments
    for_pip = [a for a in arguments if a != "--install-only"]
    needed = hashlib.sha256(b"".join(p.read_bytes() for p in [HERE / "requirements.txt", *wheels])).hexdigest()
    if not READY.is_file() or READY.read_text() != needed:
        problem = install(for_pip)
        if problem:
            return problem
        READY.write_text(needed)
    if only_install:
        print(f"Everything is installed in {VENV}.")
        return None
    print("JupyterLab opens in your browser. To stop it: Ctrl-C here.", flush=True)
    options = ["--ServerApp.root_dir=exercises", f"--LabApp.default_url=/lab/tree/{FIRST}"]
    try:
        done = subprocess.run([python(), "-m", "jupyterlab", *options], cwd=HERE)
    except KeyboardInterrupt:
        return None
    return f"JupyterLab ended with status {done.returncode}; its own message stands above." if done.returncode else None


def python():
    """The environment's own Python."""
    return str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def install(for_pip):
    """Make the environment anew: one that an interruption left half full cannot be trusted."""
    print("Installing into .venv. PyTorch is large: this takes some minutes, once.", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)]).returncode:
        return (
            "Python could not make an environment (its message stands above). On Debian and Ubuntu the package "
            "python3-venv is needed: sudo apt install python3-venv. Otherwise look whether this folder may be written."
        )
    pip = [python(), "-m", "pip", "install", "--disable-pip-version-check", "-r", "requirements.txt", *for_pip]
    if subprocess.run(pip, cwd=HERE).returncode:
        return (
            "The installation did not finish; pip's own message stands above. Look at the network connection and at "
            "the space on the disk, then run the same command again."
        )
    keep_quiet(VENV)
    return None


def keep_quiet(environment):
    """JupyterLab would ask other sites for its newest version, and the learner for leave to ask for news."""
    settings = Path(environment) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Run the same command again to go on.")
    except OSError as error:
        sys.exit(f"{error.filename or HERE}: {error.strerror}. Nothing of yours was changed.")
