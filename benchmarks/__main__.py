"""All benchmarks, one after the other, and their figures as a page of bars.

python -m benchmarks [--out DIR] [--quick] [--busy] [--root DIR] [--only NAME]

Each benchmark is a process of its own, since threads and JAX are set up once a process. Its figures
stay in DIR, so that the page shows the last ones of every benchmark. With --quick there are fewer
rounds, of which the figures are rougher.
"""

import subprocess
import sys
from pathlib import Path

from benchmarks.command import among, parser

# What is run, in this order: the arguments, and those of --quick.
BENCHMARKS: dict[str, tuple[list[str], list[str]]] = {
    "start_up": ([], ["--rounds", "2"]),
    "train_step": ([], ["--rounds", "3"]),
    "whole_runs": ([], ["--rounds", "2", "--epochs", "20"]),
    "pyro_programs": ([], ["--rounds", "3", "--small"]),
    "evidence": ([], ["--rounds", "3"]),
    "time_to_elbo": ([], ["--target", "-130"]),
}
ON_THE_WALL = {"start_up", "whole_runs"}  # they start processes: no other clock sees these
NEEDS_DATA = "time_to_elbo"


def commands(names: list[str], out: Path, quick: bool, busy: bool, root: str) -> list[list[str]]:
    """Returns the command lines of the benchmarks of these names, which can run."""
    found = []
    for name in names:
        if name == NEEDS_DATA and not root:
            continue
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(out / f"{name}.json")]
        command += BENCHMARKS[name][quick]
        command += ["--busy"] * (busy and name not in ON_THE_WALL)
        command += ["--root", root] * (name == NEEDS_DATA)
        found.append(command)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Runs the benchmarks and writes DIR/index.html."""
    options = parser(__doc__, json=False)
    options.add_argument("--out", type=Path, default=Path("benchmarks-out"), metavar="DIR")
    options.add_argument("--quick", action="store_true", help="fewer rounds, rougher figures")
    options.add_argument("--busy", action="store_true", help="processor time where it can be")
    options.add_argument("--root", default="", help="where MNIST is, for the time to an ELBO")
    only = f"only benchmarks that contain this; there are {'; '.join(BENCHMARKS)}"
    options.add_argument("--only", type=among(BENCHMARKS), default="", help=only)
    given = options.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    todo = commands(given.only, given.out, given.quick, given.busy, given.root)
    for number, command in enumerate(todo, start=1):
        print(f"\n{number} of {len(todo)}: python {' '.join(command[1:])}", flush=True)
        subprocess.run(command, check=True)
    from benchmarks.page import write_page

    print(f"\nall figures are in {write_page(given.out)}")


if __name__ == "__main__":
    main()
