"""Random numbers that are all the same: a datum has equal noise in every batch and process."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
NORMAL, UNIFORM = 0.3, 0.4


class ConstantNoise(TorchDispatchMode):
    """Standard normals are 0.3 and uniforms 0.4. Any other random operation is an error."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        packet = func.overloadpacket
        if packet is aten.normal and isinstance(args[0], torch.Tensor):
            return args[0] + NORMAL * args[1]
        if packet is aten.normal_:
            return args[0].fill_(NORMAL)
        if packet in (aten.randn, aten.rand):
            kwargs.pop("generator", None)
            return torch.full(args[0], NORMAL if packet is aten.randn else UNIFORM, **kwargs)
        if packet in (aten.randn_like, aten.rand_like):
            return torch.full_like(args[0], NORMAL if packet is aten.randn_like else UNIFORM)
        if packet is aten.uniform_:
            low, high = (*args[1:], 0.0, 1.0)[:2] if len(args) < 3 else args[1:3]
            return args[0].fill_(low + UNIFORM * (high - low))
        if packet is aten.bernoulli:
            return (args[0] > UNIFORM).to(args[0].dtype)
        raise NotImplementedError(func)
