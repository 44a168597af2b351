"""Running a network so that nothing but its weights and its input decides the result, and fast."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

from napari_superpixels.networks.foreign import Foreign
from napari_superpixels.networks.grid import GridNetwork
from napari_superpixels.networks.replay import Replayed
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


@dataclass
class _Shared:
    """Settings of the whole process: made by the first thread that needs them, undone by the last.

    Each on its own would put back what another still needs.
    """

    make: Callable[[], AbstractContextManager[None]]
    users: int = 0
    lock: Lock = field(default_factory=Lock)
    held: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            if self.users == 0:
                self.held.enter_context(self.make())
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if self.users == 0:
                    self.held.close()


@contextmanager
def _no_choice() -> Iterator[None]:
    """Have libraries choose no algorithm by trial, and no product of less than float32."""
    matmul: Any = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        matmul.fp32_precision = "ieee"
        try:
            yield
        finally:
            matmul.fp32_precision = before


_fixed = _Shared(_no_choice)


@contextmanager
def exact(pulse: Callable[[], None]) -> Iterator[None]:
    """Infer in float32 with one thread and no choice of algorithms; `pulse` before every operation.

    Windows are computed side by side instead. What `pulse` raises ends the work.
    """
    with _single_thread(), _fixed(), torch.inference_mode(), _Pulsing(pulse):
        yield


FAST_TYPES = {"cpu": torch.bfloat16, "cuda": torch.float16}
"""What `fast` computes in, by kind of device. On a card both have one speed, and float16 has eight
times the resolution; processors have instructions for bfloat16 alone."""


@contextmanager
def fast(pulse: Callable[[], None], device: str) -> Iterator[None]:
    """Infer a network of `fast_copy` in half precision.

    `pulse` is called before every operation, but on a card, where a window takes milliseconds, once
    before all: what is recorded there (see `replay`) must not be interrupted.
    """
    kind = torch.device(device).type
    half = torch.autocast(kind, FAST_TYPES[kind], cache_enabled=kind == "cpu")
    with _single_thread(), half, torch.inference_mode(), ExitStack() as pulsing:
        if kind == "cpu":
            pulsing.enter_context(_Pulsing(pulse))
        pulse()
        yield


def fast_copy(network: nn.Module, device: str) -> nn.Module:
    """Return a copy of a prepared network on a device, for `fast`."""
    kind = torch.device(device).type
    if isinstance(network, Foreign):  # what others made computes in the type that it was made for
        return exact_copy(network, device)
    copy = deepcopy(network).to(device, FAST_TYPES[kind])
    if kind == "cuda" and isinstance(copy, GridNetwork):  # its windows all have one shape
        copy.forward = Replayed(copy.forward)  # type: ignore[method-assign, assignment]
    return copy


def exact_copy(network: nn.Module, device: str) -> nn.Module:
    """Return a copy of a prepared network on a device, for `exact`."""
    return deepcopy(network).to(device)


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
