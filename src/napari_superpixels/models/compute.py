"""On what, and how exactly, a model computes: a wish that is settled when a plan is made.

Integers are the same on every device, so for the clustering methods the device is a choice of the
run: `auto` is decided in the process that computes. What networks compute in floating point is
equal on one kind of device only, so for them kind and precision are settled with the plan and are
part of its hash.
"""

import logging
from ctypes import CDLL
from dataclasses import dataclass, replace
from functools import lru_cache
from sys import platform
from typing import Any, Protocol, TypeVar, runtime_checkable

from napari_superpixels.errors import InputError, reason_of

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
EXACT, FAST = "exact", "fast"

logger = logging.getLogger(__name__)
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Compute:
    """A device and a precision.

    Raises
    ------
    InputError
        If there is never such a device or precision.
    """

    device: str = AUTO
    """``"auto"``, ``"cpu"``, ``"cuda"``, or one of several such as ``"cuda:1"``."""
    precision: str = EXACT
    """``"exact"``: float32, nothing less; ``"fast"``: whatever the device is fastest with."""

    def __post_init__(self) -> None:
        _check(self.device, self.precision)

    @property
    def kind(self) -> str:
        """``"auto"``, ``"cpu"`` or ``"cuda"``."""
        return self.device.partition(":")[0]

    @property
    def is_here(self) -> bool:
        """Whether this machine has the device."""
        number = int(self.device.partition(":")[2] or 0)
        return self.kind != CUDA or number < cuda_count()

    def check_here(self) -> None:
        """Refuse a device that this machine lacks.

        Raises
        ------
        InputError
            If it is so.
        """
        if not self.is_here:
            raise InputError(
                f"The device is {self.device!r}, but torch finds {cuda_count() or 'no'} CUDA "
                f"device here; choose {CPU!r} or {AUTO!r}, or look at driver and torch's version."
            )

    @property
    def where(self) -> str:
        """What torch calls the device, e.g. ``"cuda:0"``; not before it is settled."""
        return f"{CUDA}:0" if self.device == CUDA else self.device

    def settled(self, *, integers: bool, name: str) -> "Compute":
        """Return what a plan of a method is made with.

        Parameters
        ----------
        integers
            Whether the method's labels are the same bits on every device.
        name
            The method's.

        Raises
        ------
        InputError
            If the precision cannot be chosen, or integers are wanted of a device that this machine
            lacks: of networks workers may have it.
        """
        if integers:
            self.check_here()
            if self.precision != EXACT:
                raise InputError(
                    f"The precision is {self.precision!r}, but {name} computes in integers, "
                    f"exactly and at full speed; leave it out."
                )
            return self
        made = replace(self, device=CUDA if cuda_count() else CPU) if self.kind == AUTO else self
        if made.kind == CPU and made.precision == FAST and not has_bfloat16():
            raise InputError(
                f"The precision is {FAST!r}, but {name} would run on a processor without "
                f"instructions for bfloat16, where nothing is faster than {EXACT!r}; leave it out, "
                f"or choose a device with CUDA."
            )
        return made

    @property
    def facts(self) -> dict[str, str]:
        """What tells results in floating point apart."""
        return {"device": self.kind, "precision": self.precision}


@runtime_checkable
class Movable(Protocol):
    """A model that can compute elsewhere than on the processor."""

    def on(self, compute: Compute) -> Any:
        """Return the same model, computing there."""
        ...

    def device_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the device's memory used for a tile of that shape, in bytes."""
        ...

    def held_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return how much of it is used until the tile is done, on the processor, in bytes."""
        ...


def placed(model: M, compute: Compute) -> M:
    """Return a model that computes where it is wished, if it can."""
    if isinstance(model, Movable):
        moved: M = model.on(compute)
        return moved
    return model


def has_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16: without, it is slower than float32."""
    import torch

    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def cuda_count() -> int:
    """Return how many graphics cards torch can use.

    Without a driver none is looked for, so that torch is not imported in vain.
    """
    if not has_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


MISSING = "missing"


def hardware(where: str) -> str:
    """Return what of a device decides the last bits of floating point; `MISSING` of no such card.

    Libraries choose by it how a sum is split: of a card its name and what it can do, of a processor
    the instructions that torch uses.

    Parameters
    ----------
    where
        What torch calls the device, e.g. ``"cuda:0"``.
    """
    kind, _, number = where.partition(":")
    if kind == CUDA and int(number) >= cuda_count():
        return MISSING
    import torch

    if kind != CUDA:
        return torch.backends.cpu.get_cpu_capability()
    major, minor = torch.cuda.get_device_capability(where)
    return f"{torch.cuda.get_device_name(where)} {major}.{minor}"


@lru_cache(maxsize=1)
def has_driver() -> bool:
    """Return whether there is a driver for CUDA; imports nothing."""
    try:
        CDLL("nvcuda.dll" if platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _check(device: Any, precision: Any) -> None:
    kind, colon, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    plain = not colon or (kind == CUDA and number.isdecimal())
    if kind not in (AUTO, CPU, CUDA) or not plain:
        raise InputError(
            f"The device is {device!r}; give {AUTO!r}, {CPU!r}, {CUDA!r}, or one of several such "
            f"as 'cuda:1'."
        )
    if precision not in (EXACT, FAST):
        raise InputError(f"The precision is {precision!r}; give {EXACT!r} or {FAST!r}.")


def kernels_device(compute: Compute) -> str | None:
    """Return where Triton's kernels run, as torch calls it; None for the processor's kernels.

    Where there is a graphics card that they cannot be used on, that is logged once.
    """
    if compute.kind == CPU or not cuda_count():
        return None
    device = replace(compute, device=CUDA).where if compute.kind == AUTO else compute.where
    reason = _refusal(device)
    return device if reason is None else None


@lru_cache(maxsize=16)
def _refusal(device: str) -> str | None:
    """Try the kernels once a process; return, and log, why they cannot be used."""
    try:
        from napari_superpixels.models.on_cuda import try_kernels

        try_kernels(device)
    except Exception as error:  # noqa: BLE001 - a compiler fails, or Triton, in ways of their own
        reason = reason_of(error)
        logger.warning("No kernels on %s (%s); the processor's give the same.", device, reason)
        return reason
    return None


ANYWHERE, ON_PROCESSOR = Compute(AUTO), Compute(CPU)
