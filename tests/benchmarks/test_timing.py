"""Times of contenders whose times are known, on a clock that they move themselves."""

from collections.abc import Callable

import pytest

from benchmarks import timing


class World:
    """A clock, and contenders that move it by so many seconds a step."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def clock(self) -> float:
        return self.now

    def contender(self, name: str, seconds: Callable[[int], float]):
        """Takes `seconds(turn)` a step; a turn is a call that is measured, of over three steps."""
        turns = 0

        def run(steps: int) -> None:
            nonlocal turns
            self.log.append((name, steps))
            self.now += steps * seconds(turns)
            turns += steps > 3

        return run


def constant(seconds):
    return lambda turn: seconds


def test_milliseconds_a_step_and_steps_that_fill_a_turn():
    world = World()
    runs = {
        "fast": world.contender("fast", constant(1e-3)),
        "slow": world.contender("slow", constant(4e-3)),
    }
    times = timing.interleaved(runs, rounds=3, clock=world.clock, seconds=0.2)
    assert times["fast"] == pytest.approx([1.0] * 3) and times["slow"] == pytest.approx([4.0] * 3)
    assert ("fast", 200) in world.log and ("slow", 50) in world.log


def test_contenders_alternate_and_each_warms_up_before_its_turn():
    world = World()
    runs = {name: world.contender(name, constant(1e-3)) for name in "abc"}
    timing.interleaved(runs, rounds=2, clock=world.clock, seconds=0.1)
    # Twice to compile and to see how long a step takes.
    before = [(name, 3) for name in "abc" for _ in range(2)]
    rounds = [(name, steps) for _ in range(3) for name in "abc" for steps in (3, 100)]
    assert world.log == before + rounds


def test_the_first_round_is_thrown_away():
    """The contender is slow in its first round only."""
    world = World()
    runs = {"late": world.contender("late", lambda turn: 1e-3 if turn else 5e-3)}
    times = timing.interleaved(runs, rounds=2, clock=world.clock, seconds=0.1)
    assert times["late"] == pytest.approx([1.0, 1.0])


def test_a_slow_minute_of_the_machine_leaves_the_ratio_alone():
    world, slowness = World(), [1, 1, 1, 9, 9, 1, 1]
    runs = {
        name: world.contender(name, lambda turn, base=base: base * slowness[turn])
        for name, base in (("ours", 2e-3), ("theirs", 6e-3))
    }
    found = timing.timings(timing.interleaved(runs, 6, world.clock, seconds=0.1), "ours")
    assert [t.ratio for t in found] == pytest.approx([1.0, 3.0])
    assert [t.ms for t in found] == pytest.approx([2.0, 6.0])


def test_medians_quartiles_and_ratios():
    found = timing.timings({"a": [1.0, 2.0, 3.0, 4.0, 100.0], "b": [6.0, 6.0, 6.0]}, "a")
    assert found == [
        timing.Timing("a", ms=3.0, quartiles_ms=(2.0, 4.0), ratio=1.0),
        timing.Timing("b", ms=6.0, quartiles_ms=(6.0, 6.0), ratio=2.0),
    ]
    low, high = timing.timings({"a": [1.0, 2.0]}, "a")[0].quartiles_ms
    assert 1.0 <= low <= high <= 2.0, "quartiles outside of what was measured"
