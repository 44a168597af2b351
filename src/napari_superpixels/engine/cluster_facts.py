"""What client and workers must have in common, for equal plans to give equal bytes."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from napari_superpixels.engine.plan import Plan
from napari_superpixels.models.compute import CPU, CUDA, hardware

ALWAYS = ("napari-superpixels", "numba", "numpy", "numcodecs", "zarr")
"""Distributions that make labels and write chunks."""
READERS = ("imagecodecs", "rasterio", "tifffile")
"""Those that decode images."""
LEARNED = ("torch", "torchvision")
"""Those that run networks."""
MACHINE = "kind of processor"


def facts_of(plan: Plan) -> dict[str, str]:
    """Return what a worker must have as this process has it."""
    learned = LEARNED if hasattr(plan.method, "weights") else ()
    # Integers are the same on every device, so there each worker uses what it has.
    device = () if plan.method.integers else (plan.compute.where,)
    return facts_here((*ALWAYS, *READERS, *learned, MACHINE, *device))


def facts_here(names: Iterable[str]) -> dict[str, str]:
    """Return facts of this process, by name."""
    return {name: _fact(name) for name in names}


def difference_of(wanted: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return what a worker has otherwise, in words."""
    differing = [name for name in wanted if here[name] != wanted[name]]
    told = ", ".join(f"{name} ({here[name]} instead of {wanted[name]})" for name in differing)
    return f"it differs in {told}, which may change labels or files"


def _fact(name: str) -> str:
    if name == MACHINE:
        return platform.machine().lower()
    if name.partition(":")[0] in (CPU, CUDA):
        return hardware(name)
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
