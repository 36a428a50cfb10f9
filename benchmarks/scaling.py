"""What a step costs as batch, width, latents and particles grow, and what bounds it: python -m benchmarks.scaling.

Beside the compiled step stand its matrix products alone (arithmetic) and its optimizer alone (memory: parameters, gradients and
two moments pass through once a step); what is left is everything else that the derivation asks for.
"""

from typing import Any

import torch

from benchmarks.command import add_case, add_clock, parser
from benchmarks.networks import DEEPER, PIXELS, Perceptron
from benchmarks.peers import matrix_products, ours
from benchmarks.timing import Clock, Run, clock, environment, interleaved, rows, table, write
from benchmarks.workload import LEARNING_RATE, Batches
from inference.objectives.elbo import ELBO
from inference.objectives.iwae import IWAE
from inference.optimizer import FusedAdam

REFERENCE = "step"
Case = tuple[Perceptron, int, int]
MIDDLE: Case = (DEEPER, 100, 1)
"""Network, batch, particles: one of them changes at a time."""


def cases() -> dict[str, Case]:
    """By what is changed."""
    network, batch, particles = MIDDLE
    found: dict[str, Case] = {"784-200-200-50, batch 100, 1 particle": MIDDLE}
    found |= {f"batch {size}": (network, size, particles) for size in (20, 400, 1600)}
    found |= {
        f"width {width}": (Perceptron((width, width), 50), batch, particles) for width in (50, 800)
    }
    found |= {
        f"latents {latent}": (Perceptron((200, 200), latent), batch, particles)
        for latent in (2, 400)
    }
    return found | {f"particles {count} (IWAE)": (network, batch, count) for count in (5, 25)}


def adam_alone(network: Perceptron) -> Run:
    """The update of all parameters with gradients that are there already."""
    pair = ours.pair(network)
    optimizer = FusedAdam(pair, LEARNING_RATE)
    for module in pair:
        for parameter in module.parameters():
            parameter.grad = 1e-3 * torch.randn_like(parameter)
    kept = [(p, p.grad) for module in pair for p in module.parameters()]

    def run(steps: int) -> None:
        for _ in range(steps):
            for parameter, gradient in kept:
                parameter.grad = gradient
            optimizer.step()

    return run


def measure(name: str, case: Case, rounds: int, clock: Clock) -> dict[str, Any]:
    """Milliseconds of the step, of its products and of its optimizer."""
    network, batch, particles = case
    objective = ELBO() if particles == 1 else IWAE(num_particles=particles)
    runs = {
        REFERENCE: ours.step_run(network, Batches(batch), True, objective),
        "products": matrix_products.products(network, Batches(batch), particles),
        "Adam": adam_alone(network),
    }
    found = {
        record["peer"]: record["ms"] for record in rows(interleaved(runs, rounds, clock), REFERENCE)
    }
    encoder, decoder = matrix_products.multiplications(network)
    flops = 2 * 3 * batch * (encoder + particles * decoder) - 2 * batch * PIXELS * network.hidden[0]
    return {
        "case": name,
        **found,
        "rest": found[REFERENCE] - found["products"] - found["Adam"],
        "gflops": flops / found["products"] / 1e6,
        "us_a_datum": found[REFERENCE] * 1e3 / batch,
    }


def main(arguments: list[str] | None = None) -> None:
    """Print milliseconds a step and of its parts, Gflop a second of the products, and microseconds a datum."""
    options = parser(__doc__, rounds=5)
    add_case(options, cases())
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    print(", ".join(f"{key} {value}" for key, value in environment("cpu").items()))
    records = [
        measure(name, case, given.rounds, chosen)
        for name, case in cases().items()
        if name in given.case
    ]
    columns = {
        "": "{case}",
        "step, ms": "{step:.2f}",
        "products": "{products:.2f}",
        "Adam": "{Adam:.2f}",
        "rest": "{rest:.2f}",
    }
    columns |= {"products, Gflop/s": "{gflops:.0f}", "µs a datum": "{us_a_datum:.1f}"}
    print(table(records, columns))
    write(given.json, "cpu", records)


if __name__ == "__main__":
    main()
