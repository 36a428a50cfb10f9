"""Mutation testing: how many small changes of the packages some test notices.

    python -m tests.mutation [package ...] [--number N] [--seed S] [--again]

What was found stays in `.mutants/`, so a stopped run goes on where it stopped.
"""

import argparse
import dataclasses
import importlib
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from tqdm import tqdm

from tests.mutation import reach, trial
from tests.mutation.operators import Mutant, mutants

PACKAGES = ("evidence", "models", "guides", "data", "inference/objectives", "report/comparison")
# What the tests of this project load and no mutant changes: loaded once, before any fork. pytest
# loads its plugins, hypothesis and jaxtyping among them, itself.
LIBRARIES = ("torch", "pyro", "scipy.stats", "sklearn.datasets", "PIL.Image")
EQUIVALENTS = Path("tests/mutation/equivalents.txt")


@dataclass(frozen=True)
class Request:
    """What a command asks for."""

    root: Path
    packages: Sequence[str]
    number: int
    seed: int
    budget: float
    again: bool

    @property
    def results(self) -> Path:
        return self.root / ".mutants" / "results.jsonl"

    def sample(self, package: str) -> list[Mutant]:
        """The mutants of a package that are tried: all, or as many as asked for by chance."""
        found = [
            mutant
            for file in sorted((self.root / package).rglob("*.py"))
            for mutant in mutants(str(file.relative_to(self.root)), file.read_bytes())
        ]
        order = list(range(len(found)))
        random.Random(self.seed).shuffle(order)  # a larger sample has all of a smaller one
        chosen = set(order[: self.number or len(found)])
        return [mutant for i, mutant in enumerate(found) if i in chosen]


def equivalents(root: Path) -> dict[str, str]:
    """The mutants that were looked at and change nothing that can be seen, with the reasons.

    The file has a mutant a line, and its reason below, indented.
    """
    found: dict[str, str] = {}
    file = root / EQUIVALENTS
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.startswith(" ") and found:
            last = next(reversed(found))
            found[last] = f"{found[last]} {line.strip()}".strip()
        elif line.strip() and not line.startswith("#"):
            found[line.strip()] = ""
    return found


def known(request: Request) -> dict[str, dict]:
    """What became of mutants before, unless their file has changed since."""
    if not request.results.exists():
        return {}
    records = [json.loads(line) for line in request.results.read_text().splitlines()]
    now = {r["file"]: reach.digest(request.root / r["file"]) for r in records}
    return {r["key"]: r for r in records if r["digest"] == now[r["file"]]}


def attempt_all(
    request: Request,
    todo: Sequence[Mutant],
    reached: reach.Reach,
    attempt: Callable[[Mutant, Sequence[str]], dict],
) -> None:
    """Tries mutants one after the other and writes down what becomes of each.

    Raises RuntimeError if tests fail here though nothing is changed.
    """
    if todo:
        nothing = dataclasses.replace(todo[0], span=(0, 0), text="")
        found = attempt(nothing, reached.tests(nothing.file, 0, 0, 5))
        if found["status"] != "survived":
            raise RuntimeError(f"without any change, {found}")
    for mutant in tqdm(todo, file=sys.__stderr__, unit="mutant", desc="mutants"):
        tests = reached.tests(mutant.file, mutant.line, mutant.last_line, request.budget)
        found = attempt(mutant, tests) if tests else {"status": "unreached", "by": "", "seconds": 0}
        about = {
            **{"key": mutant.key, "file": mutant.file, "line": mutant.line, "tests": len(tests)},
            "digest": reach.digest(request.root / mutant.file),
        }
        with request.results.open("a") as file:
            file.write(json.dumps({**about, **found}, ensure_ascii=False) + "\n")


def attempt_here(request: Request, todo: Sequence[Mutant]) -> None:
    """Tries all mutants: those of functions in a process that has loaded all, the others alone."""
    reached = reach.read(request.root)
    if inside := [mutant for mutant in todo if mutant.in_function]:
        sys.stdout.flush()
        if not (pid := os.fork()):

            def serve(session: pytest.Session) -> None:
                attempt = trial.in_loaded(session, request.root, reached)
                attempt_all(request, inside, reached, attempt)

            files = reach.files_of_tests(request.root)
            status = 1
            try:
                status = int(pytest.main([*reach.QUIET, *files], plugins=[trial.Loop(serve)]))
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("the process that has loaded all tests ended early")
    done = known(request)
    undecided = {mutant for mutant in inside if done[mutant.key]["status"] == "undecided"}
    rest = [mutant for mutant in todo if not mutant.in_function or mutant in undecided]
    attempt_all(request, rest, reached, trial.from_the_start(request.root, reached))


def report(request: Request, samples: dict[str, list[Mutant]]) -> None:
    """Prints the score of each package and the mutants that no test notices."""
    done, same = known(request), equivalents(request.root)
    survivors: list[str] = []
    columns = ("killed", "timed out", "survived", "unreached", "equivalent")
    print(f"{'package':24}{''.join(f'{c:>12}' for c in columns)}{'score':>10}")
    for package, sample in samples.items():
        counts: Counter[str] = Counter()
        for mutant in sample:
            record = done.get(mutant.key, {"status": "untried"})
            status = "equivalent" if mutant.key in same else record["status"]
            counts[status] += 1
            if status in ("survived", "unreached", "untried"):
                survivors.append(f"{mutant.file}:{mutant.line}: {status}\n    {mutant.key}")
        seen = counts["killed"] + counts["timed out"]
        of = sum(counts.values()) - counts["equivalent"]
        row = "".join(f"{counts[c]:12}" for c in columns)
        print(f"{package:24}{row}{seen / max(of, 1):10.1%}")
    print("\n".join(["", *survivors]))


def parse(arguments: Sequence[str]) -> Request:
    """The command line as a request."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    parser.add_argument("--number", type=int, default=60, help="a package; 0 tries all mutants")
    parser.add_argument("--seed", type=int, default=0, help="which mutants are tried")
    parser.add_argument("--budget", type=float, default=30, help="seconds of tests for a mutant")
    parser.add_argument("--again", action="store_true", help="try known survivors again")
    given = parser.parse_args(arguments)
    return Request(Path.cwd(), **vars(given))


def main(arguments: Sequence[str]) -> int:
    """Tries what is asked for and not yet known."""
    request = parse(arguments)
    if _traced(request):
        print("some tests fail without any mutant: they are left out")
    samples = {package: request.sample(package) for package in request.packages}
    done, same = known(request), equivalents(request.root)
    settled = {"killed", "timed out"} | (set() if request.again else {"survived", "unreached"})
    todo = [
        mutant
        for sample in samples.values()
        for mutant in sample
        if mutant.key not in same and done.get(mutant.key, {}).get("status") not in settled
    ]
    if todo:
        for library in LIBRARIES if (request.root / "models").exists() else ():
            importlib.import_module(library)
        attempt_here(request, todo)
    report(request, samples)
    return 0


def _traced(request: Request) -> int:
    """Traces the tests in a process of its own: this one is to load nothing of the packages."""
    sys.stdout.flush()
    if not (pid := os.fork()):
        os._exit(reach.measure(request.root, {*PACKAGES, *request.packages}))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
