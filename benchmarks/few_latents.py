"""The bracket of a trained model of one or two latents beside log p(x) itself, by quadrature.

python -m benchmarks.few_latents RUN [--images 1000] [--json FILE]

The bracket is that of `bracket(model, guide, x)` as it comes, of the first test images, fifty at a
time. Errors are those of the difference to log p(x), paired; the interval of a bracket goes from
1.96 of them below its lower mean to as many above its upper one.
"""

import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.command import at_least, parser
from benchmarks.figures import Record, print_environment, table, write
from errors import RequestError
from evidence import Batch, Estimate, bracket, exact, recorded
from evidence.estimate import standard_error, with_error
from experiment import Run, load_run

BLOCK = 50
# How far the upper mean may be from log p(x), in nats, and how wide intervals are.
CLOSE, QUANTILE = 0.05, 1.96
COLUMNS = {
    "minus log p(x)": "{what}",
    "mean": "{mean:+.4f} ± {se:.4f}",
    "of an image, least": "{least:+.2f}",
    "most": "{most:+.2f}",
}


def main(arguments: list[str] | None = None) -> int:
    """Prints both sides of the RUN that is named; returns 1 if they are not as they should be."""
    options = parser(__doc__)
    options.add_argument("run", help="trained with latent_dim=2, or 1")
    images = "test images, the first ones (1000)"
    options.add_argument("--images", type=at_least(2), default=1000, help=images)
    given = options.parse_args(arguments)
    try:
        run = load_run(given.run, "best", "cpu")
        if exact(run.model, run.guide, run.data("test")[:2]) is None:
            raise RequestError(f"{given.run}: log p(x) is not known; train with latent_dim=2")
    except RequestError as error:
        options.error(str(error))
    print_environment("cpu")
    torch.manual_seed(0)
    started, busy = time.perf_counter(), time.process_time()
    truth, lower, upper = (
        Estimate.join(parts) for parts in zip(*_blocks(run, given.images), strict=True)
    )
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    sides = {"lower": lower.per_datum - truth.per_datum, "upper": upper.per_datum - truth.per_datum}
    records = [side(what, error) for what, error in sides.items()]
    print(f"\n{truth.num_examples} test images, log p(x) {with_error(truth.per_datum)}")
    print(table(records, COLUMNS))
    blocks = zip(*(error.split(BLOCK) for error in sides.values()), strict=True)
    of_blocks = [covers(*block) for block in blocks]
    verdicts = {
        f"the upper mean is within {CLOSE} nats": abs(float(sides["upper"].mean())) < CLOSE,
        "the lower mean is below the upper": lower.mean < upper.mean,
        "the 95 % interval of the bracket holds log p(x)": covers(*sides.values()),
    }
    for what, holds in verdicts.items():
        print(f"{what}: {'yes' if holds else 'NO'}")
    print(f"so do the intervals of {sum(of_blocks)} of {len(of_blocks)} blocks of {BLOCK} images")
    print(f"chains: {upper.details}")
    print(f"{seconds:.0f} seconds, {busy:.0f} of processor time")
    write(given.json, "cpu", [*records, {"seconds": seconds, "busy": busy, **verdicts}])
    return 0 if all(verdicts.values()) else 1


def _blocks(run: Run, images: int) -> Iterator[tuple[Estimate, Estimate, Estimate]]:
    """Yields log p(x) and both sides of some images after the others."""
    with recorded():
        for block in Batch.some(run.data("test")[:images]).parts(BLOCK):
            truth = exact(run.model, run.guide, block)
            assert truth is not None
            found = bracket(run.model, run.guide, block)
            yield truth, found.lower, found.upper
            done = float((found.upper.per_datum - truth.per_datum).mean())
            print(f"{block.size} images, upper side {done:+.4f}", file=sys.stderr, flush=True)


def side(what: str, error: Tensor) -> Record:
    """Returns what is printed of one side."""
    return {
        "what": what,
        "mean": float(error.mean()),
        "se": standard_error(error),
        "least": float(error.min()),
        "most": float(error.max()),
    }


def covers(lower: Tensor, upper: Tensor) -> bool:
    """Whether log p(x) is in the interval of a bracket; its sides are given minus log p(x)."""
    low = float(lower.mean()) - QUANTILE * standard_error(lower)
    return low <= 0 <= float(upper.mean()) + QUANTILE * standard_error(upper)


if __name__ == "__main__":
    sys.exit(main())
