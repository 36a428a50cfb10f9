"""One mutant in one forked process: it takes its file's place, and tests run until one fails.

All that the tests need is loaded before the fork. A change inside a function is put into the loaded
functions; any other change needs a process that has loaded nothing of the mutated packages.
"""

import gc
import importlib.machinery
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tests.mutation.operators import Mutant
from tests.mutation.reach import QUIET, Reach

SURVIVED, KILLED, NOT_IN_PLACE, BROKEN = 0, 1, 3, 4
OUTCOMES = {SURVIVED: "survived", KILLED: "killed", NOT_IN_PLACE: "undecided"}
# What a mutant may allocate beyond what is loaded.
MEMORY = 4 * 2**30
Functions = dict[str, list[FunctionType]]


class Loop:
    """A pytest plugin that does `action` with the collected tests in place of running them all."""

    def __init__(self, action: Callable[[pytest.Session], None]) -> None:
        self.action = action

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.action(session)
        return True


def fork(mutant: Mutant, root: Path, seconds: float, child: Callable[[Callable], int]) -> dict:
    """Runs `child` in a process of its own; returns what became of the mutant.

    `child` gets a function that keeps the name of the test that failed, and returns the status.
    """
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    begin, killer = time.monotonic(), folder / "killer"
    sys.stdout.flush()
    if not (pid := os.fork()):
        status = BROKEN
        try:
            _confine(folder)
            _load_changed(mutant, root)
            status = child(killer.write_text)
        except BaseException:
            (folder / "why").write_text(traceback.format_exc())
        finally:
            os._exit(status)
    code = _wait(pid, begin + 60 + 20 * seconds)
    if code == BROKEN:
        raise RuntimeError(f"{mutant.key}: {(folder / 'why').read_text()}")
    by = killer.read_text() if killer.exists() else ""
    shutil.rmtree(folder, ignore_errors=True)
    timed_out = code in (-signal.SIGPROF, -signal.SIGKILL)
    status = "timed out" if timed_out else OUTCOMES.get(code, "killed")
    return {"status": status, "by": by, "seconds": round(time.monotonic() - begin, 1)}


def _wait(pid: int, until: float) -> int:
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            until = float("inf")
        time.sleep(0.01)


def _confine(folder: Path) -> None:
    """Keeps what the tests say, write and allocate away from others."""
    os.setsid()
    os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.tempdir = str(folder)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def _load_changed(mutant: Mutant, root: Path) -> None:
    """Has the import system read the mutant instead of its file, and keep no bytecode of it."""
    loader, path = importlib.machinery.SourceFileLoader, str(root / mutant.file)
    read, stats = loader.get_data, loader.path_stats

    def get_data(self, name):
        return mutant.apply(read(self, name)) if name == path else read(self, name)

    def path_stats(self, name):
        if name == path:
            raise OSError
        return stats(self, name)

    loader.get_data, loader.path_stats = get_data, path_stats


def loaded_functions(root: Path) -> Functions:
    """All functions that this process has, by their file."""
    found: Functions = defaultdict(list)
    for thing in gc.get_objects():
        if type(thing) is FunctionType and thing.__code__.co_filename.startswith(str(root)):
            found[thing.__code__.co_filename].append(thing)
    return found


def put_in(mutant: Mutant, root: Path, functions: Functions) -> bool:
    """Gives loaded functions the mutant's code; returns whether the mutant is in place."""
    path = str(root / mutant.file)
    modules = [m for m in [*sys.modules.values()] if m.__dict__.get("__file__") == path]
    if not modules:
        return True  # it is loaded later, changed
    code = modules[0].__loader__.source_to_code(modules[0].__loader__.get_data(path), path)
    changed = {(c.co_qualname, c.co_firstlineno): c for c in _codes(code)}
    swapped = 0
    for function in functions[path]:
        old = function.__code__
        new = changed.get((old.co_qualname, old.co_firstlineno), old)
        if new != old and new.co_freevars == old.co_freevars:
            function.__code__ = new
            swapped += 1
    return swapped > 0


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def run_tests(session: pytest.Session, tests: Sequence[str], reach: Reach, tell: Callable) -> int:
    """Runs these tests of a collected session in this order until one fails."""
    if session.testsfailed:  # a file of tests does not even load
        return KILLED
    by_name = {item.nodeid: item for item in session.items}
    items = [by_name[test] for test in tests if test in by_name]
    for item, following in zip(items, [*items[1:], None], strict=True):
        signal.setitimer(signal.ITIMER_PROF, 2 + 10 * reach.slowest(item.nodeid))
        tell(item.nodeid)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return KILLED
    tell("")
    return SURVIVED


def in_loaded(session: pytest.Session, root: Path, reach: Reach) -> Callable[..., dict]:
    """Returns what tries a mutant of a function in a fork of this process, which has loaded all.

    Whether no test sees it stays undecided: what test files made as they were loaded is unchanged.
    """
    functions = loaded_functions(root)
    gc.collect()
    gc.freeze()

    def attempt(mutant: Mutant, tests: Sequence[str]) -> dict:
        def child(tell: Callable) -> int:
            if mutant.text and not put_in(mutant, root, functions):
                return NOT_IN_PLACE
            return run_tests(session, tests, reach, tell)

        found = fork(mutant, root, sum(reach.seconds[test] for test in tests), child)
        survived = mutant.text and found["status"] == "survived"
        return found | ({"status": "undecided"} if survived else {})

    return attempt


def from_the_start(root: Path, reach: Reach) -> Callable[..., dict]:
    """Returns what tries a mutant in a fork that loads the mutated package itself."""

    def attempt(mutant: Mutant, tests: Sequence[str]) -> dict:
        def child(tell: Callable) -> int:
            status = [KILLED]

            def run(session: pytest.Session) -> None:
                status[0] = run_tests(session, tests, reach, tell)

            files = sorted({test.partition("::")[0] for test in tests})
            pytest.main([*QUIET, *files], plugins=[Loop(run)])
            return status[0]

        return fork(mutant, root, 10 + sum(reach.seconds[test] for test in tests), child)

    return attempt
