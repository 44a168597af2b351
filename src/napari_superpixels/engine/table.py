"""A plan as a table that a person can read."""

from io import StringIO
from math import prod
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from napari_superpixels.engine.cost import default_workers
from napari_superpixels.models.settings import idle_settings, settings_of

if TYPE_CHECKING:
    from napari_superpixels.engine.plan import Plan


def plan_table(plan: "Plan") -> str:
    """Return the table of a plan."""
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    for name, value in plan_rows(plan):
        table.add_row(name, Text(value))  # as it is: names may hold brackets
    text = StringIO()
    Console(file=text, width=100).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def plan_rows(plan: "Plan") -> list[tuple[str, str]]:
    """Return names and values of what a plan will do."""
    source, lattice = plan.source, plan.lattice
    workers = default_workers()
    windows = len(plan.windows) * len(plan.planes)
    idle = idle_settings(plan.method)
    known = [one.name for one in settings_of(type(plan.method)) if one.name not in idle]
    return [
        ("image", f"{source.name}: {_axes(plan)}, {_channels(plan)}, level {source.level}"),
        (
            "method",
            f"{plan.method.name} "
            + ", ".join(f"{name}={_short(getattr(plan.method, name))}" for name in known),
        ),
        ("lattice", f"{_times(lattice.cells)} cells of {_times(lattice.step)} px"),
        (plan.output.noun, plan.output.told(lattice)),
        ("written", f"{_times(plan.axes.shape)} px, {len(plan.level_factors) + 1} levels"),
        (
            "windows",
            f"{windows:,} of {_times(plan.core_px)} px, halo {plan.halo} cells{_patches(plan)}",
        ),
        ("tiles", f"{plan.tiles:,} of {_times(plan.tile_px)} px, then pieces of coarser levels"),
        ("chunks", f"{_times(plan.chunk_px)} px"),
        ("computed on", _computed(plan)),
        ("memory", f"{_bytes(plan.projected_bytes(workers))} on {workers} processors"),
        (
            f"{plan.output.noun} on disk",
            f"at most {_bytes(_output_bytes(plan))} before compression",
        ),
        *(("note", note) for note in plan.notes),
    ]


def _patches(plan: "Plan") -> str:
    """Say what a network sees at once, where that is not a window."""
    patches = getattr(plan.method, "patches", None)  # of those methods that have some
    if patches is None:
        return ""
    return f"; the network sees patches of {_times((patches.edge * plan.method.step,) * 2)} px"


def _computed(plan: "Plan") -> str:
    """Say where; of networks how exactly too."""
    where = plan.compute.device
    return where if plan.method.integers else f"{where}, {plan.compute.precision}"


def _axes(plan: "Plan") -> str:
    return " ".join(f"{axis.name}={axis.size}" for axis in plan.source.axes.items)


def _channels(plan: "Plan") -> str:
    kind = "RGB" if plan.source.rgb else f"{plan.source.channels} channel(s)"
    return f"{plan.source.dtype} {kind}"


def _times(numbers: tuple[int, ...]) -> str:
    return " x ".join(f"{number:,}" for number in numbers)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _output_bytes(plan: "Plan") -> int:
    height, width = plan.pixels.shape
    return height * width * len(plan.planes) * prod(plan.output.depth) * plan.dtype.itemsize


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
