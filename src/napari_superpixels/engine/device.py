"""What this machine has to compute on, and whether a plan fits into its memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from napari_superpixels.engine.cost import default_workers, windows_at_once
from napari_superpixels.engine.geometry import resolve_window
from napari_superpixels.engine.plan import Plan
from napari_superpixels.errors import PlanError
from napari_superpixels.models.compute import (
    AUTO,
    CPU,
    CUDA,
    EXACT,
    Movable,
    has_driver,
)

SHARE_OF_DEVICE = 0.9
"""Of the device's memory that is free, what a run may plan to use."""
SMALLEST_PX = 64
"""Edge of the smallest window that is proposed."""


@dataclass(frozen=True, slots=True)
class Device:
    """Something that a method can run on."""

    name: str
    """What settings call it, e.g. ``"cpu"``."""
    label: str
    """What a person is shown."""


def devices() -> tuple[Device, ...]:
    """Return the devices that can be chosen, the default first.

    Nothing but the graphics driver is looked for: whether torch can use it, and so torch itself,
    is a question for whoever computes.
    """
    threads = default_workers()
    processor = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    if not has_driver():
        return (Device(AUTO, processor),)
    return Device(AUTO, "CUDA where possible"), Device(CUDA, "CUDA"), Device(CPU, processor)


def check_device(plan: Plan, workers: int) -> None:
    """Refuse a plan that does not fit into its device's memory.

    Parameters
    ----------
    plan
        What is to be run.
    workers
        How many super-tiles are computed at once.

    Raises
    ------
    PlanError
        With figures and a proposal.
    """
    if plan.compute.kind != CUDA or plan.method.integers:
        return  # integers are computed elsewhere where they do not fit, with the same result
    budget = int(SHARE_OF_DEVICE * free_bytes(plan.compute.where))
    needed = device_bytes(plan, workers)
    if needed <= budget:
        return
    fitting = next((edge for edge, bytes_ in _smaller(plan, workers) if bytes_ <= budget), None)
    proposal = f"window={fitting} would fit" if fitting else "choose device='cpu'"
    raise PlanError(
        f"Windows of {max(plan.core_px)} px need {needed / 1e9:.1f} GB of {plan.compute.device!r}, "
        f"but {budget / 1e9:.1f} GB may be used ({SHARE_OF_DEVICE:.0%} of what is free); "
        f"{proposal}."
    )


def device_bytes(plan: Plan, workers: int) -> int:
    """Return what a run takes of a device's memory, in bytes; 0 where it takes none.

    Windows are on the device, or have left there what connectivity asks for. In fast mode one at a
    time is enough.
    """
    from napari_superpixels.models.card import HELD_BYTES, SLOTS

    model = plan.unmeasured_model
    if not isinstance(model, Movable):
        return 0
    exact = plan.compute.precision == EXACT
    windows = workers * windows_at_once(plan.group) if exact else 1
    at_once = min(SLOTS, windows)
    beside = min(HELD_BYTES, (windows - at_once) * model.held_bytes_for(plan.read_px))
    return at_once * model.device_bytes_for(plan.read_px) + beside


def _smaller(plan: Plan, workers: int) -> Iterator[tuple[int, int]]:
    """Yield edges of smaller windows, and what a run with them takes of the device."""
    edge = max(plan.core_px) // 2
    while edge >= SMALLEST_PX:
        core, chunk = resolve_window(plan.lattice, plan.cells, edge)
        yield edge, device_bytes(replace(plan, core=core, chunk=chunk), workers)
        edge //= 2


def free_bytes(device: str) -> int:
    """Return the memory that a run may have on a CUDA device, in bytes.

    What this process keeps there and does not use, as after an earlier run, is free as well.
    """
    import torch

    kept: int = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free: int = torch.cuda.mem_get_info(device)[0]
    return free + kept
