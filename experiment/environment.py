"""What a run was made with: environment.json."""

import datetime
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from parallel import group

PACKAGES = ("torch", "pyro-ppl", "numpy", "hydra-core")


def environment(device: torch.device) -> dict[str, object]:
    """Returns versions, device, git revision and command line, as plain values."""
    on_cpu = f"cpu ({torch.get_num_threads()} threads)"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version(package) for package in PACKAGES},
        "device": torch.cuda.get_device_name() if device.type == "cuda" else on_cpu,
        "processes": group.count(),
        "git_revision": git_revision(),
        "command": sys.argv,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def git_revision() -> str | None:
    """Returns the revision of this code, with `+` if there are changes, or None without git."""
    try:
        revision = _git("rev-parse", "HEAD").strip()
        changes = _git("status", "--porcelain").strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision + ("+" if changes else "")


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    return done.stdout
