"""Where to compute."""

import torch

from errors import RequestError


def pick_device(name: str) -> torch.device:
    """Returns the device that `name` stands for; `auto` is CUDA where there is one, else the CPU.

    On a GPU, convolutions keep all digits of float32 from now on, as products of matrices do.

    Raises:
        RequestError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RequestError(
            "device=cuda: no CUDA device is available here; use device=cpu or device=auto"
        )
    if name not in ("cpu", "cuda"):
        raise RequestError(f"device={name}: choose from auto, cpu, cuda")
    if name == "cuda":
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
    return torch.device(name)
