"""Running a network so that nothing but its weights and its input decides the result, and fast."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from napari_superpixels.networks.ssn import Joined


class _Pulsing(TorchFunctionMode):
    """Calls the pulse before every operation of this thread."""

    def __init__(self, pulse: Callable[[], None]) -> None:
        super().__init__()
        self.pulse = pulse

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        self.pulse()
        return func(*args, **(kwargs or {}))


@dataclass
class _SingleThread:
    """Has the threads that ask for it compute alone, as long as they do.

    How an operation is split over threads may decide its last bits. Torch keeps the number for
    each thread, which takes it over, when it first asks for it, from what was set last anywhere:
    so each asks before it sets its own, and what was set last is put back to what the first found.
    """

    users: int = 0
    before: int = 1
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            found = torch.get_num_threads()
            if self.users == 0:
                self.before = found
            self.users += 1
            torch.set_num_threads(1)
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                torch.set_num_threads(self.before)


_single_thread = _SingleThread()


@contextmanager
def exact(pulse: Callable[[], None]) -> Iterator[None]:
    """Infer in float32 with one thread and no choice of algorithms; `pulse` before every operation.

    Windows are computed side by side instead. What `pulse` raises ends the work.
    """
    cudnn = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    with _single_thread(), cudnn, torch.inference_mode(), _Pulsing(pulse):
        yield


def prepare(network: nn.Module) -> nn.Module:
    """Make a trained network ready to infer in float32, in place, in about half the time.

    Frozen normalisation is folded into the convolutions before it, rectifiers need no memory of
    their own, maps are not copied to be joined, and keep the channels of a pixel together, which is
    how processors convolve. Outputs differ in their last bits from those before.

    Parameters
    ----------
    network
        With its weights.
    """
    network.float().eval().requires_grad_(requires_grad=False)
    for layer in list(network.modules()):
        if isinstance(layer, nn.Sequential):
            _fold(layer)
        _fold_named(layer)
        if isinstance(layer, nn.ReLU | nn.LeakyReLU):
            layer.inplace = True
        elif isinstance(layer, Joined):
            layer.split = True
    return network.to(memory_format=torch.channels_last)


def _fold(layers: nn.Sequential) -> None:
    """Fold the normalisations of a sequence into the convolutions right before them."""
    for place in range(len(layers) - 1):
        convolution, norm = layers[place], layers[place + 1]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[place] = fuse_conv_bn_eval(convolution, norm)
            layers[place + 1] = nn.Identity()


def _fold_named(block: nn.Module) -> None:
    """Do the same in a block of torchvision's, whose layers have numbers."""
    for number in (1, 2, 3):
        convolution = getattr(block, f"conv{number}", None)
        norm = getattr(block, f"bn{number}", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(block, f"conv{number}", fuse_conv_bn_eval(convolution, norm))
            setattr(block, f"bn{number}", nn.Identity())
