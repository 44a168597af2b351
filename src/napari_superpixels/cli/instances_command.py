"""``napari-superpixels instances``: the objects of a class map, numbered."""

from typing import TYPE_CHECKING, Annotated

import typer

from napari_superpixels import api, class_maps
from napari_superpixels.cli import options as opt
from napari_superpixels.cli.places import jobs_of
from napari_superpixels.cli.progress import progress
from napari_superpixels.cli.work import advising, summary_of, tell

if TYPE_CHECKING:
    from napari_superpixels.engine.instances import InstancesResult


def _pixels(text: str) -> typer.models.OptionInfo:
    """Declare an option that is a number of pixels."""
    info: typer.models.OptionInfo = typer.Option(
        parser=opt.positive_number, metavar="PIXELS", help=text
    )
    return info


Classes = Annotated[
    str | None,
    typer.Option(help="Classes whose objects are wanted, numbers or names, e.g. 1,nuclei."),
]
Connectivity = Annotated[
    int,
    typer.Option(
        parser=opt.whole_number,
        metavar="4|8",
        help="Whether pixels touch by edges, or by corners too.",
    ),
]
MinPx = Annotated[int, _pixels("Leave out smaller instances.")]
MaxPx = Annotated[int | None, _pixels("Leave out larger instances.")]
Split = Annotated[bool, typer.Option("--split", help="Split objects where they are narrow.")]
DistancePx = Annotated[int, _pixels("Of --split: least distance of the middles of two pieces.")]
LargestPx = Annotated[int, _pixels("Of --split: how long or wide an object may be.")]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact/--no-exact",
        help="Of --split: refuse objects that are larger than that, or leave them whole.",
    ),
]


def instances(  # noqa: PLR0913 - one option each
    classes_map: Annotated[str, typer.Argument(metavar="CLASSES", help="The class map.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="The OME-Zarr to write.")],
    classes: Classes = None,
    connectivity: Connectivity = 4,
    min_px: MinPx = 1,
    max_px: MaxPx = None,
    split: Split = False,  # noqa: FBT002 - the framework's way to declare a switch
    distance_px: DistancePx = 10,
    largest_px: LargestPx = 1024,
    exact: Exact = True,  # noqa: FBT002
    level: opt.Level = 0,
    channels: opt.Channels = None,
    mask: opt.Mask = None,
    window: opt.Window = None,
    workers: opt.Workers = None,
    quiet: opt.Quiet = False,  # noqa: FBT002
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Number the objects of a class map into a multiscale OME-Zarr, with a table of them."""
    [(image, path)] = jobs_of([classes_map, out])
    source = api.open(image, level=level, channels=opt.channels_of(channels), mask=mask)
    wanted = None if classes is None else [part.strip() for part in classes.split(",")]
    with advising(path, {}), progress(quiet=quiet or as_json) as listener:
        result = class_maps.instances(
            source,
            path,
            window=window,
            workers=workers,
            listener=listener,
            classes=wanted,
            connectivity=connectivity,
            min_px=min_px,
            max_px=max_px,
            split=split,
            distance_px=distance_px,
            largest_px=largest_px,
            exact=exact,
        )
    summary = summary_of(result) | {"table": str(result.table), "whole": result.whole}
    tell({"image": image} | summary, quiet=quiet, as_json=as_json)
    if not (quiet or as_json):
        _warn(result)


def _warn(result: "InstancesResult") -> None:
    """Tell of objects that stayed whole, and of an image without any."""
    if result.whole:
        what = "1 object is" if result.whole == 1 else f"{result.whole} objects are"
        typer.echo(f"Note: {what} larger than --largest-px, and not split.", err=True)
    if not result.count:
        typer.echo(
            f"Warning: {result.path} has no instance; look at the classes and at the sizes that "
            f"are asked for.",
            err=True,
        )
