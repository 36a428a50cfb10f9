"""Seconds until something happens, this project beside its peers: help, imports, the first step.

python -m benchmarks.start_up [--json FILE]

Every start is a process of its own, timed on the wall from its start to its end. `first step` is
one training step of 784-400-50 at batch 128; where the cache is cold, inductor has compiled nothing
before.
"""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.command import add_case, parser
from benchmarks.figures import Record, report
from benchmarks.timing import once_a_round, timings

ROOT = Path(__file__).resolve().parent.parent
STEP = "784-400-50 batch 128"
OURS = "this project, compiled"
Start = Callable[[], object]


def python(*arguments: str, **variables: str) -> None:
    """Runs Python with these arguments from the root of the project; raises if it fails."""
    command = [sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | variables
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} fails: {done.stderr.strip()[-500:]}")


def helps() -> dict[str, Start]:
    """Makes what prints the help of a command, beside Python alone and `import torch`."""
    commands = ("train.py", "evaluate.py", "compare.py", "reproduce.py")
    ours: dict[str, Start] = {
        f"{name} --help": functools.partial(python, name, "--help") for name in commands
    }
    others = {"python alone": "pass", "import torch": "import torch"}
    return ours | {name: functools.partial(python, "-c", code) for name, code in others.items()}


def imports() -> dict[str, Start]:
    """Makes what imports a package and ends."""
    packages = ("evidence", "torch", "pyro", "numpyro")
    return {
        f"import {package}": functools.partial(python, "-c", f"import {package}")
        for package in packages
        if _has(package)
    }


def first_steps() -> dict[str, Start]:
    """Makes what takes one step, from a cold cache of compiled code, or from a warm one."""
    warm = Path(tempfile.gettempdir()) / f"first-step-{os.getuid()}"
    found: dict[str, Start] = {}
    compiled = (OURS, "torch by hand, torch.compile")
    others = ("this project, eager", "Pyro, tutorial", "torch by hand, fused Adam")
    for name in (*compiled, *others, *(["NumPyro, jitted"] if _has("numpyro") else [])):
        found[f"{name}, warm cache" if name in compiled else name] = functools.partial(
            step, name, warm
        )
    return found | {f"{name}, cold cache": functools.partial(cold, name) for name in compiled}


def step(name: str, cache: Path) -> None:
    """Takes one step in a process of its own."""
    code = (
        "from benchmarks.train_step import CASES, contenders\n"
        f"contenders('cpu')[{name!r}](*CASES[{STEP!r}])(1)"
    )
    python("-c", code, TORCHINDUCTOR_CACHE_DIR=str(cache))


def cold(name: str) -> None:
    """Takes one step with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        step(name, Path(folder))


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


# What is timed, and what it is measured against.
CASES: Mapping[str, tuple[Callable[[], dict[str, Start]], str]] = {
    "help": (helps, "train.py --help"),
    "import": (imports, "import evidence"),
    "first step": (first_steps, f"{OURS}, warm cache"),
}


def measure(case: str, rounds: int) -> list[Record]:
    """Measures all starts of a case; the first round, which warms caches, is thrown away."""
    make, reference = CASES[case]
    found = timings(once_a_round(make(), rounds), reference)
    return [{"case": case} | vars(timing) | {"s": timing.ms / 1e3} for timing in found]


def main(arguments: list[str] | None = None) -> None:
    """Prints seconds of every start, a table for each case."""
    options = parser(__doc__, rounds=5)
    add_case(options, CASES)
    given = options.parse_args(arguments)
    columns = {"seconds": "{s:.2f}", "time, of the first one's": "{ratio:.2f} ×"}
    tables = (({case: "{peer}"} | columns, measure(case, given.rounds)) for case in given.case)
    report(tables, "cpu", given.json)


if __name__ == "__main__":
    main()
