"""How much memory a network needs for its values, counted without computing any.

Torch's fake tensors have shapes and a device, and no numbers: a network runs on them in no time,
and what is alive after each operation is counted.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

EDGE_PX = 512
"""Of the image that it is counted on."""
N = TypeVar("N", bound=nn.Module)
T = TypeVar("T")
_weak: Any = StorageWeakRef
"""What knows whether a tensor's memory is still in use; torch gives it no types."""


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are alive, and remembers the most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, tuple[Any, int]] = {}
        self.most = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.alive[storage._cdata] = (_weak(storage), storage.nbytes())
        self.alive = {key: pair for key, pair in self.alive.items() if not pair[0].expired()}
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return result


def without_numbers(make: Callable[[], N]) -> N:
    """Return a network that has layers and no weights: made in no time, to be asked what it is."""
    with FakeTensorMode():
        return make().eval()


def bytes_per_pixel(make: Callable[[], nn.Module], channels: int) -> float:
    """Return the bytes that image and maps take at once, at most, for each pixel of an image.

    Parameters
    ----------
    make
        Makes the network.
    channels
        Of the image.
    """
    with FakeTensorMode(), torch.inference_mode():
        network = make().eval()
        most, _ = bytes_in_use(lambda: network(torch.empty(1, channels, EDGE_PX, EDGE_PX)))
    return most / EDGE_PX**2


def bytes_in_use(work: Callable[[], T]) -> tuple[int, T]:
    """Return the most bytes that are made and in use at once while it works, and the result."""
    with _Counting() as counting:
        result = work()
    return counting.most, result
