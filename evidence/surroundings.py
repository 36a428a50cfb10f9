"""What must hold while a program is measured: evaluation mode, and plates of any number of data."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch.nn.modules.module import register_module_forward_pre_hook


@contextmanager
def evaluation_mode() -> Iterator[None]:
    """Inside, every module that is called is in evaluation mode, and afterwards as it was.

    Dropout and batch normalisation would else make a datum's number depend on noise and on its
    neighbours, and measuring would change their buffers.
    """
    changed: list[torch.nn.Module] = []

    def to_evaluation(module: torch.nn.Module, _: object) -> None:
        if module.training:
            changed.append(module)
            module.training = False

    handle = register_module_forward_pre_hook(to_evaluation)
    try:
        yield
    finally:
        handle.remove()
        for module in changed:
            module.training = True


class AnyNumber(Messenger):
    """Takes more rows than a plate declares its data to have: particles are rows, too."""

    def _pyro_sample(self, msg: Message) -> None:
        fn = msg["fn"]
        if type(fn).__name__ == "_Subsample" and msg["value"] is None:
            wanted = vars(fn)["subsample_size"]
            if wanted is not None and wanted > vars(fn)["size"]:
                msg["value"] = torch.arange(wanted, device=vars(fn)["device"])
