"""What the shell's options are called, and how their texts become values."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_superpixels.errors import InputError


def whole_number(text: str | int) -> int:
    """Return a text as an integer.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no whole number; give one such as 16") from None


def number(text: str | float) -> float:
    """Return a text as a number.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number; give one such as 2.5") from None


def positive_number(text: str | int) -> int:
    """Return a text as an integer of at least 1.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    value = whole_number(text)
    if value < 1:
        raise typer.BadParameter(f"it is {value}; give at least 1, or leave it out")
    return value


Method = Annotated[
    str,
    typer.Option(help="slic, ssn_pix, or learned: ssn, hcssn, scn, ainet, pcnet, hcnet, segment."),
]
Step = Annotated[
    int | None,
    typer.Option(
        parser=whole_number, metavar="PIXELS", help="Size of a cell in pixels; 16 by default."
    ),
]
StepUm = Annotated[
    float | None,
    typer.Option(parser=number, metavar="UM", help="Size of a cell in micrometers."),
]
Compactness = Annotated[
    float | None,
    typer.Option(
        parser=number,
        metavar="NUMBER",
        help="Weight of position against colour; by default the method's own.",
    ),
]
Iterations = Annotated[
    int | None,
    typer.Option(parser=whole_number, metavar="NUMBER", help="Associations; 10 by default."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Of a learned method: your own by name, or a .safetensors file; by default those in "
        "the package, if any. Of segment, a .pt2, .pt or .zip (BioImage.IO) file too.",
    ),
]
Exact = Annotated[
    bool | None,
    typer.Option(
        "--exact/--no-exact",
        help="Of segment: whether to refuse networks whose result depends on the window; else "
        "they run on patches that are blended.",
    ),
]
Probabilities = Annotated[
    bool | None,
    typer.Option(
        "--probabilities", help="Of segment: write the probability of each class instead of ids."
    ),
]
Flips = Annotated[
    str | None,
    typer.Option(
        metavar="AXES", help="Of segment: average over the image mirrored along x, y or yx."
    ),
]
Scales = Annotated[
    str | None,
    typer.Option(metavar="NUMBERS", help="Of segment: average over sizes, e.g. 0.5,1,1.5."),
]
Decoding = Annotated[
    str | None,
    typer.Option(
        metavar="soft|hard",
        help="Of segment with HC networks: pixels take a mixture of what clusters say (soft, the "
        "default), or what their own says.",
    ),
]
Patch = Annotated[
    int | None,
    typer.Option(
        parser=whole_number,
        metavar="PIXELS",
        help="Of segment with --no-exact: edge of a patch; 1024 by default.",
    ),
]
AxesOption = Annotated[str | None, typer.Option(help="Names of the axes, e.g. zyx.")]
Level = Annotated[
    int,
    typer.Option(
        parser=whole_number, metavar="LEVEL", help="Pyramid level to work on; 0 is the finest."
    ),
]
Channels = Annotated[str | None, typer.Option(help="Channels to use, e.g. 0,2.")]
Rgb = Annotated[
    bool | None,
    typer.Option("--rgb/--no-rgb", help="Whether three channels are colours; else guessed."),
]
Mask = Annotated[Path | None, typer.Option(help="Image that is nonzero where to analyse.")]
RegionOption = Annotated[
    list[str] | None, typer.Option("--region", help="Part to write, e.g. y=0:512; repeatable.")
]
Window = Annotated[
    int | None,
    typer.Option(
        parser=whole_number,
        metavar="PIXELS",
        help="Edge of a window in pixels; by default one that wastes little on its halo.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        parser=positive_number, metavar="NUMBER", help="Processors to use; all by default."
    ),
]
Part = Annotated[
    str | None,
    typer.Option(
        metavar="K/N", help="Compute part K of N of the output alone, e.g. 3/64; then `finish` it."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Work on the cluster of this dask scheduler, e.g. tcp://host:8786."
    ),
]
Profile = Annotated[
    Path | None,
    typer.Option(help="Write a trace of the run as this JSON file, for chrome://tracing."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="auto, cpu, cuda, or one of several such as cuda:1.")
]
ResumeDevice = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, or one of several such as cuda:1.")
]
Precision = Annotated[str, typer.Option(help="Of learned methods: exact, or fast: half precision.")]
Into = Annotated[
    str | None, typer.Option(help="Also write labels of this name into the image's own OME-Zarr.")
]
Geotiff = Annotated[Path | None, typer.Option(help="Also write the labels as this GeoTIFF.")]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing", help="Skip outputs that are finished; go on with unfinished ones."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON for machines.")]


def settings_of(**values: Any) -> dict[str, Any]:
    """Return the parameters that were given."""
    return {name: value for name, value in values.items() if value is not None}


def scales_of(text: str | None) -> tuple[float, ...] | None:
    """Return the numbers of a list such as ``0.5,1``.

    Raises
    ------
    InputError
        If it is none.
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"The scales are {text!r}; give numbers such as 0.5,1,1.5.") from None


def channels_of(text: str | None) -> list[int] | None:
    """Return the numbers of a list such as ``0,2``.

    Raises
    ------
    InputError
        If it is none.
    """
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"The channels are {text!r}; give numbers such as 0,2.") from None


def part_of(text: str | None) -> tuple[int, int] | None:
    """Return the numbers of a part such as ``3/64``.

    Raises
    ------
    InputError
        If it is none.
    """
    if text is None:
        return None
    try:
        number, count = map(int, text.split("/"))
    except ValueError:
        raise InputError(f"The part is {text!r}; give it as 3/64, the third of 64.") from None
    return number, count


def region_of(parts: list[str] | None) -> dict[str, tuple[int, int]] | None:
    """Return start and stop along each axis that is named.

    Raises
    ------
    InputError
        If a part is malformed, or an axis named twice.
    """
    region: dict[str, tuple[int, int]] = {}
    for part in parts or ():
        name, bounds = _span(part)
        if name in region:
            raise InputError(f"The region names the axis {name!r} twice; give --region once each.")
        region[name] = bounds
    return region or None


def _span(part: str) -> tuple[str, tuple[int, int]]:
    try:
        name, _, bounds = part.partition("=")
        start, stop = map(int, bounds.split(":"))
    except ValueError:
        raise InputError(f"The region is {part!r}; give it as y=0:512.") from None
    return name, (start, stop)
