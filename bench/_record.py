"""Where results are kept: numbers with the command, the versions and the date they come from."""

from __future__ import annotations

import datetime
import json
import platform
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(name: str, **numbers: Any) -> None:
    """Write ``bench/results/NAME.json`` and say so."""
    import torch  # here: a study of memory does without it as long as what it studies does

    RESULTS.mkdir(exist_ok=True)
    record = {
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        **numbers,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{path.relative_to(RESULTS.parent.parent)} written")
