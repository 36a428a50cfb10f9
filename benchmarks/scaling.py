"""What a step costs as batch, width, latents and particles grow, and what bounds it.

python -m benchmarks.scaling

Beside the compiled step stand its matrix products alone (arithmetic) and its optimizer alone
(memory: parameters, gradients and two moments pass through once a step); what is left is everything
else that the derivation asks for.
"""

import torch

from benchmarks.command import add_case, add_clock, parser
from benchmarks.figures import Record, report
from benchmarks.networks import DEEPER, PIXELS, Perceptron
from benchmarks.peers import matrix_products, ours
from benchmarks.timing import Clock, Run, clock, interleaved, timings
from benchmarks.workload import LEARNING_RATE, Batches
from evidence.training.optimizer import FusedAdam
from inference.objectives.elbo import ELBO
from inference.objectives.iwae import IWAE

REFERENCE = "step"
# Network, batch, particles: one of them changes at a time.
Case = tuple[Perceptron, int, int]
COLUMNS = {
    "": "{case}",
    "step, ms": "{step:.2f}",
    "products": "{products:.2f}",
    "Adam": "{Adam:.2f}",
    "rest": "{rest:.2f}",
    "products, Gflop/s": "{gflops:.0f}",
    "µs a datum": "{us_a_datum:.1f}",
}


def cases() -> dict[str, Case]:
    """Returns the cases by what is changed."""
    found: dict[str, Case] = {"784-200-200-50, batch 100, 1 particle": (DEEPER, 100, 1)}
    for size in (20, 400, 1600):
        found[f"batch {size}"] = (DEEPER, size, 1)
    for width in (50, 800):
        found[f"width {width}"] = (Perceptron((width, width), 50), 100, 1)
    for latent in (2, 400):
        found[f"latents {latent}"] = (Perceptron((200, 200), latent), 100, 1)
    for count in (5, 25):
        found[f"particles {count} (IWAE)"] = (DEEPER, 100, count)
    return found


def adam_alone(network: Perceptron) -> Run:
    """Makes the update of all parameters with gradients that are there already."""
    pair = ours.pair(network)
    optimizer = FusedAdam(pair, LEARNING_RATE)
    parameters = [parameter for module in pair for parameter in module.parameters()]
    kept = [(parameter, 1e-3 * torch.randn_like(parameter)) for parameter in parameters]

    def run(steps: int) -> None:
        for _ in range(steps):
            for parameter, gradient in kept:
                parameter.grad = gradient
            optimizer.step()

    return run


def measure(name: str, rounds: int, clock: Clock) -> Record:
    """Measures milliseconds of the step, of its products and of its optimizer."""
    network, batch, particles = cases()[name]
    objective = ELBO() if particles == 1 else IWAE(num_particles=particles)
    runs = {
        REFERENCE: ours.step_run(network, Batches(batch), True, objective),
        "products": matrix_products.products(network, Batches(batch), particles),
        "Adam": adam_alone(network),
    }
    found = {t.peer: t.ms for t in timings(interleaved(runs, rounds, clock), REFERENCE)}
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
    """Prints milliseconds of a step and of its parts, the speed of the products, and µs a datum."""
    options = parser(__doc__, rounds=5)
    add_case(options, cases())
    add_clock(options)
    given = options.parse_args(arguments)
    chosen = clock(given.busy)
    records = [measure(name, given.rounds, chosen) for name in given.case]
    report([(COLUMNS, records)], "cpu", given.json)


if __name__ == "__main__":
    main()
