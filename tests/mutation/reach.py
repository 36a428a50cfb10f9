"""Which tests execute a line, and how long each takes, read off one traced run of the tests.

What one file of tests reaches is kept in `.mutants/reach` until that file, or one that it executes,
changes.
"""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import coverage
import pytest

# Tests that start processes or browsers, or read sources: they execute no line of a mutant here.
ELSEWHERE = (
    *("tests/benchmarks", "tests/examples", "tests/mutation", "tests/parallel"),
    *(
        "tests/report/page",
        "tests/inference/test_compiled.py",
        "tests/inference/test_cuda_graph.py",
    ),
    *("tests/test_architecture.py", "tests/test_docstrings.py", "tests/test_documentation.py"),
    *("tests/test_sweeps.py", "tests/test_typechecker.py", "tests/test_private_hydra.py"),
)
QUIET = ("-qqq", "-m", "not verify", "-p", "no:cacheprovider", "--capture=sys", "--durations=0")


def digest(*files: Path) -> str:
    """The hash of what these files say; a file that is gone says nothing."""
    said = (file.read_bytes() if file.exists() else b"" for file in files)
    return hashlib.sha256(b"\0".join(said)).hexdigest()[:16]


@dataclass
class Reach:
    """The seconds of every test, and the tests that execute each line of a source file."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, stored: dict) -> None:
        self.seconds |= stored["seconds"]
        for source, lines in stored["lines"].items():
            for line, tests in lines.items():
                self.lines[source].setdefault(int(line), set()).update(tests)

    def slowest(self, test: str) -> float:
        """The seconds of the slowest test of its file, which may have made what they share."""
        file = test.partition("::")[0] + "::"
        return max(seconds for other, seconds in self.seconds.items() if other.startswith(file))

    def tests(self, source: str, first: int, last: int, budget: float) -> list[str]:
        """The tests to try on a change of these lines, within `budget` seconds.

        Tests that execute the lines come first; their files' other tests, which may only read what
        a fixture made with these lines, come after. A file's tests stay together, since they share
        fixtures, and quick files come first.
        """
        lines = self.lines[source]
        direct = set().union(*(lines.get(line, ()) for line in range(first, last + 1)))
        direct = direct or set().union(*lines.values())  # the body of a module or class
        files = {test.partition("::")[0] for test in direct}
        rest = {test for test in self.seconds if test.partition("::")[0] in files} - direct
        return list(self._within(direct, rest, budget))

    def _within(self, direct: set[str], rest: set[str], budget: float) -> Iterator[str]:
        for tests in (direct, rest):
            quick, spent = [], 0.0
            for test in sorted(tests, key=self.seconds.__getitem__):
                spent += self.seconds[test]
                if spent <= budget or not quick:
                    quick.append(test)
            budget -= min(spent, budget)
            by_file: dict[str, list[str]] = defaultdict(list)
            for test in quick:
                by_file[test.partition("::")[0]].append(test)
            yield from (
                test
                for tests_of_file in sorted(
                    by_file.values(), key=lambda some: sum(map(self.seconds.__getitem__, some))
                )
                for test in tests_of_file
            )


class Tracer:
    """A pytest plugin that writes what each file of tests reaches as the file ends."""

    def __init__(self, root: Path, packages: Iterable[str], folder: Path) -> None:
        self.root, self.folder = root, folder
        include = [str(root / package / "*") for package in packages]
        self.coverage = coverage.Coverage(data_file=None, config_file=False, include=include)
        self.coverage.set_option("run:disable_warnings", ["no-data-collected"])
        self.coverage.start()
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None):
        begin = time.process_time()
        self.coverage.switch_context(item.nodeid)
        result = yield
        if item.nodeid not in self.failed:  # a test that fails or skips anyway sees nothing
            self.seconds[item.nodeid] = round(time.process_time() - begin, 3)
        if nextitem is None or nextitem.path != item.path:
            self.write(item.path)
        return result

    def write(self, tests: Path) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {
            str(Path(source).relative_to(self.root)): {
                line: [test for test in contexts if test in self.seconds]
                for line, contexts in data.contexts_by_lineno(source).items()
                if any(contexts)
            }
            for source in data.measured_files()
        }
        stored = {"seconds": self.seconds, "lines": {s: at for s, at in lines.items() if at}}
        stored["digest"] = digest(tests, *(self.root / source for source in stored["lines"]))
        name = str(tests.relative_to(self.root)).replace("/", ".")
        (self.folder / f"{name}.json").write_text(json.dumps(stored))
        self.seconds = {}
        self.coverage.erase()
        self.coverage.start()


def files_of_tests(root: Path) -> list[str]:
    """The files whose tests may see a mutant."""
    found = (str(file.relative_to(root)) for file in sorted(root.glob("tests/**/test_*.py")))
    return [file for file in found if not file.startswith(ELSEWHERE)]


def measure(root: Path, packages: Iterable[str]) -> int:
    """Runs the files of tests whose reach is unknown or stale, traced; returns pytest's status."""
    folder = root / ".mutants" / "reach"
    folder.mkdir(parents=True, exist_ok=True)
    stale = [file for file in files_of_tests(root) if not known(root, file)]
    if not stale:
        return 0
    print(f"tracing {len(stale)} files of tests, once", flush=True)
    return int(pytest.main([*QUIET, *stale], plugins=[Tracer(root, packages, folder)]))


def known(root: Path, file: str) -> dict | None:
    """What is kept of this file of tests, unless it or what it executes has changed."""
    kept = root / ".mutants" / "reach" / f"{file.replace('/', '.')}.json"
    if not kept.exists():
        return None
    stored = json.loads(kept.read_text())
    same = stored["digest"] == digest(root / file, *(root / source for source in stored["lines"]))
    return stored if same else None


def read(root: Path) -> Reach:
    """What all files of tests reach, as far as it is known."""
    reach = Reach()
    for file in files_of_tests(root):
        if stored := known(root, file):
            reach.add(stored)
    return reach
