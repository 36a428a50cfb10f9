"""Whether a run is worth compiling."""

import os
import shutil
from dataclasses import dataclass

# What recording and compiling cost the first time, and what they save at a step: 1.4 ms on the
# digits and 3.2 on MNIST, so that a small run loses a second at most. docs/performance.md has the
# measurements.
COMPILE_SECONDS = 8.0
SAVED_SECONDS_PER_STEP = 0.0016


@dataclass(frozen=True)
class CompileChoice:
    """Whether to compile, and the line that says so."""

    compiled: bool
    line: str


def choose(requested: str, steps: int, before: bool | None = None) -> CompileChoice:
    """Decides whether a run of `steps` steps in all is compiled.

    Arguments:
        requested: The option `train.compile`: auto, on or off.
        steps: How many steps the run has, of which those before a checkpoint are done already.
        before: What the run did until that checkpoint. auto keeps it: a compiled and an eager step
            differ in rounding, and a resumed run is the uninterrupted one, bit for bit.
    """
    if requested != "off" and not has_compiler():
        return CompileChoice(
            False, f"train.compile={requested}: eager, no C++ compiler found (g++, clang++ or $CXX)"
        )
    if requested == "auto" and before is not None:
        return CompileChoice(
            before, f"train.compile=auto: {_mode(before)}, as until the checkpoint"
        )
    least = round(COMPILE_SECONDS / SAVED_SECONDS_PER_STEP)
    compiled = requested == "on" or (requested == "auto" and steps >= least)
    line = f"train.compile={requested}: {_mode(compiled)}"
    if requested == "auto":
        verb = "repay" if compiled else "would not repay"
        line += f", {steps:,} steps {verb} the compilation (from {least:,} on)"
    if before is not None and compiled != before:
        line += f"; {_mode(before)} until the checkpoint, so no longer bit for bit "
        line += "the uninterrupted run"
    return CompileChoice(compiled, line)


def has_compiler() -> bool:
    """Whether there is a C++ compiler for inductor to call."""
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "clang++"))


def _mode(compiled: bool) -> str:
    return "compiled" if compiled else "eager"
