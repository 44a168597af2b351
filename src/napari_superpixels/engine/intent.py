"""What a user asks for, as values: whatever its type, it is used or refused in one sentence."""

import operator
import threading
from collections.abc import Mapping
from math import isfinite
from typing import Any

from napari_superpixels.axes import UNIT_UM, Axis
from napari_superpixels.engine.plan import Plan, Region, make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.io.source import Source
from napari_superpixels.models.compute import Compute
from napari_superpixels.models.protocol import Method
from napari_superpixels.models.registry import make_method


def intended(
    source: Source,
    method: "str | Method",
    settings: Mapping[str, Any],
    where: tuple[str, str],
    *,
    region: Region | None,
    window: int | tuple[int, int] | None,
) -> Plan:
    """Return the plan of what is asked for; `where` are device and precision.

    Raises
    ------
    InputError
        If anything of it cannot be used.
    """
    made, compute = resolve_method(source, method, settings), Compute(*where)
    return make_plan(source, made, region=region, window=window, compute=compute)


def resolve_method(source: Source, method: Any, settings: Mapping[str, Any]) -> Method:
    """Return the settings of a method, given by name or as they are.

    Raises
    ------
    InputError
        If the name or a parameter is unknown, or settings are given twice.
    """
    if isinstance(method, str):
        return make_method(method, _with_step(source, dict(settings)))
    if isinstance(method, type) or not hasattr(method, "halo_cells"):
        raise InputError(
            f'The method is {method!r}; give its name, e.g. "slic", or settings such as '
            f"Slic(step=16)."
        )
    if settings:
        raise InputError(
            f"The method is given with its settings, so {sorted(settings)[0]!r} has no place; "
            f"put it into the settings."
        )
    made: Method = method
    return made


def _with_step(source: Source, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose step, if it is given in micrometers, is in pixels."""
    if "step_um" not in settings:
        return settings
    step_um = settings.pop("step_um")
    if "step" in settings:
        raise InputError("Both step and step_um are given; give one of them.")
    return settings | {"step": step_in_pixels(step_um, source.axes["y"], source.axes["x"])}


def step_in_pixels(step_um: Any, y: Axis, x: Axis) -> int:
    """Return the whole number of pixels that is nearest to a length in micrometers.

    Raises
    ------
    InputError
        If it is no length, shorter than two pixels, or pixels have no square size.
    """
    number = isinstance(step_um, int | float) and not isinstance(step_um, bool)
    if not number or not isfinite(step_um) or step_um <= 0:
        raise InputError(f"step_um is {step_um!r}; give a length in micrometers, e.g. step_um=8.")
    if x.unit not in UNIT_UM or y.unit != x.unit:
        raise InputError(
            f"The step is {step_um} um, but the image has no spacing in micrometers; "
            f"give step in pixels."
        )
    if abs(y.spacing - x.spacing) > 0.01 * x.spacing:
        raise InputError(
            f"The step is {step_um} um, but pixels are {y.spacing} x {x.spacing} {x.unit}, not "
            f"square; give step in pixels."
        )
    pixel_um = x.spacing * UNIT_UM[x.unit]
    if step_um < 2 * pixel_um:
        raise InputError(
            f"The step is {step_um} um, but a pixel is {pixel_um:g} um and a cell needs two; give "
            f"at least {2 * pixel_um:g} um."
        )
    pixels: int = round(step_um / pixel_um)
    return pixels


def check_run(plan: Any, *, workers: Any, cancel: Any) -> None:
    """Refuse to run what is no plan, or with means that are none.

    Raises
    ------
    InputError
        With the value and what is expected.
    """
    if not isinstance(plan, Plan):
        raise InputError(
            f"Only a plan can be run, not {type(plan).__name__}; make one with plan()."
        )
    check_means(workers=workers, cancel=cancel)


def check_means(*, workers: Any, cancel: Any) -> None:
    """Refuse what is no number of workers, and no event.

    Raises
    ------
    InputError
        With the value and what is expected.
    """
    if workers is not None and whole_number("workers", workers) < 1:
        raise InputError(f"workers is {workers}; give 1 or more, or leave it out.")
    if cancel is not None and not isinstance(cancel, threading.Event):
        raise InputError(f"cancel is {cancel!r}; give a threading.Event.")


def whole_number(name: str, value: Any) -> int:
    """Return a whole number of any integer type as an int.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name} is {value!r}, but it must be a whole number.") from None
