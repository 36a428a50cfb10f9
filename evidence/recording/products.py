"""Matrix products by oneDNN in recorded graphs, on processors that MKL does not know.

torch multiplies float32 matrices by MKL, which uses vectors of 256 bits on every processor that is
not Intel's. AMD's have units of 512 bits since Zen 5, and oneDNN, which torch has as well, uses
them: the products of a VAE take half the time there (docs/performance.md). Which library multiplies
follows from the processor and the shapes alone, and never from a measurement: the same machine
rounds in the same way at every start.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import NotImplementedType

import torch
from jaxtyping import Float
from torch import Tensor

from evidence.recording.private_torch import onednn_linear

aten = torch.ops.aten
linear = onednn_linear()
# Smaller products cost less than the call: so many multiplications take some 20 µs.
FEWEST_MULTIPLICATIONS = 1_500_000
ZEN_5 = 0x1A  # the family of processors


# torch.library.custom_op would take twice as long at a call, for checks that nothing here needs.
torch.library.define("evidence::product", "(Tensor a, Tensor b) -> Tensor")


@torch.library.impl("evidence::product", "CPU")
def _product(a: Tensor, b: Tensor) -> Tensor:
    """Returns a b for matrices in float32, of which a has its rows one after the other."""
    assert linear is not None
    return linear(a, b.t())


@torch.library.register_fake("evidence::product")
def _shape_of_product(a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty((a.shape[0], b.shape[1]))


def product(a: Tensor, b: Tensor) -> Tensor:
    """Returns the matrix product of a (n, k) and b (k, m), float32, as oneDNN computes it."""
    found: Tensor = torch.ops.evidence.product.default(a.contiguous(), b)
    return found


def mm(
    a: Float[Tensor, "n k"], b: Float[Tensor, "k m"]
) -> Float[Tensor, "n m"] | NotImplementedType:
    """Returns what `aten.mm` returns; NotImplemented leaves it to torch."""
    return product(a, b) if pays(a, b) else NotImplemented


def addmm(
    bias: Tensor,
    a: Float[Tensor, "n k"],
    b: Float[Tensor, "k m"],
    *,
    beta: float = 1,
    alpha: float = 1,
) -> Float[Tensor, "n m"] | NotImplementedType:
    """Returns `aten.addmm`; the sum is left to the kernel that follows, where it costs nothing."""
    plain = beta == alpha == 1 and bias.dtype == a.dtype
    return product(a, b) + bias if plain and pays(a, b) else NotImplemented


def pays(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN multiplies a and b faster than MKL does."""
    multiplications = a.shape[0] * a.shape[1] * b.shape[1]
    return (
        a.device.type == "cpu"
        and a.dtype == b.dtype == torch.float32
        and multiplications >= FEWEST_MULTIPLICATIONS
        and onednn_is_faster()
    )


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN has wider vectors than MKL on this processor; False where nobody tells."""
    if linear is None or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return is_amd_since_zen_5(text)


def is_amd_since_zen_5(cpuinfo: str) -> bool:
    r"""Whether this is the text of /proc/cpuinfo on such a processor.

    >>> is_amd_since_zen_5("vendor_id\t: AuthenticAMD\ncpu family\t: 26\n")
    True
    >>> is_amd_since_zen_5("vendor_id\t: AuthenticAMD\ncpu family\t: 25\n")
    False
    """
    pairs = (line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line)
    known = {name.strip(): value.strip() for name, value in pairs}
    family = known.get("cpu family", "")
    return known.get("vendor_id") == "AuthenticAMD" and family.isdigit() and int(family) >= ZEN_5


# What `make_fx` records instead of an operation.
DECOMPOSITIONS: dict[object, Callable[..., object]] = {
    aten.mm.default: mm,
    aten.addmm.default: addmm,
}
