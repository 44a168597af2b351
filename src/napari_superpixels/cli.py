"""The shell: ``napari-superpixels run | resume | export | plan | info``."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_superpixels import api
from napari_superpixels.errors import Cancelled, IncompleteRunError, InputError, SuperpixelsError

if TYPE_CHECKING:
    from napari_superpixels.engine.events import Event, Listener
    from napari_superpixels.engine.run import RunResult

EXIT_BAD_INPUT = 2
"""Something about the input, a parameter or the output is wrong; nothing was computed."""
EXIT_INCOMPLETE = 3
"""Super-tiles, or some of several images, failed; the rest is done and kept."""
EXIT_CANCELLED = 130
"""Interrupted; what is done is kept."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Superpixels over images of any size; the tiling never shows.",
)

Method = Annotated[str, typer.Option(help="slic or ssn_pix.")]
Step = Annotated[int | None, typer.Option(help="Size of a cell in pixels [default: 16].")]
StepUm = Annotated[float | None, typer.Option(help="Size of a cell in micrometers.")]
Compactness = Annotated[
    float | None, typer.Option(help="Weight of position against colour [default: 9.6].")
]
Iterations = Annotated[int | None, typer.Option(help="Associations [default: 10].")]
AxesOption = Annotated[str | None, typer.Option(help="Names of the axes, e.g. zyx.")]
Level = Annotated[int, typer.Option(help="Pyramid level to work on; 0 is the finest.")]
Channels = Annotated[str | None, typer.Option(help="Channels to use, e.g. 0,2.")]
Mask = Annotated[Path | None, typer.Option(help="Image that is nonzero where to analyse.")]
RegionOption = Annotated[
    list[str] | None, typer.Option("--region", help="Part to write, e.g. y=0:512; repeatable.")
]
Window = Annotated[int | None, typer.Option(help="Edge of a window in pixels.")]
Workers = Annotated[int | None, typer.Option(help="Windows in work at once.")]
Into = Annotated[
    str | None, typer.Option(help="Also write labels of this name into the image's own OME-Zarr.")
]
Geotiff = Annotated[Path | None, typer.Option(help="Also write the labels as this GeoTIFF.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON for machines.")]


@app.command()
def run(  # noqa: PLR0913 - one option each
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Images, and the OME-Zarr to write; of several images OUT is a folder.",
        ),
    ],
    method: Method = "slic",
    step: Step = None,
    step_um: StepUm = None,
    compactness: Compactness = None,
    iterations: Iterations = None,
    axes: AxesOption = None,
    level: Level = 0,
    channels: Channels = None,
    mask: Mask = None,
    region: RegionOption = None,
    window: Window = None,
    workers: Workers = None,
    into: Into = None,
    geotiff: Geotiff = None,
    quiet: Quiet = False,  # noqa: FBT002 - the framework's way to declare a switch
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Label one image, or several, into multiscale OME-Zarr."""
    if len(paths) < 2:
        raise InputError("One path is given; give the image, or images, and then the output.")
    settings = _settings(step=step, step_um=step_um, compactness=compactness, iterations=iterations)

    def work(image: str, out: Path) -> dict[str, Any]:
        picks = _channels(channels)
        source = api.open(image, axes=axes, level=level, channels=picks, mask=mask)
        if not (quiet or as_json):
            for note in source.notes:
                typer.echo(f"{source.name}: {note}", err=True)
        plan = api.plan(source, method, region=_region(region), window=window, **settings)
        with _progress(quiet=quiet or as_json) as listener:
            result = api.run(plan, out, workers=workers, listener=listener, into=into)
        return _summary(result) | _export(out, geotiff)

    images, out = paths[:-1], Path(paths[-1])
    _check_geotiff(geotiff, images)
    jobs = [(images[0], out)] if len(images) == 1 else _outputs(images, out)
    _run_all(jobs, work, quiet=quiet, as_json=as_json)


@app.command()
def resume(
    out: Annotated[Path, typer.Argument(help="The output whose run did not finish.")],
    workers: Workers = None,
    quiet: Quiet = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Go on with an unfinished output."""
    with _progress(quiet=quiet or as_json) as listener:
        summary = _summary(api.resume(out, workers=workers, listener=listener))
    _tell(summary, quiet=quiet, as_json=as_json)


@app.command()
def export(
    labels: Annotated[Path, typer.Argument(metavar="OUT", help="The output of a finished run.")],
    geotiff: Annotated[Path | None, typer.Argument(help="The GeoTIFF to write.")] = None,
    level: Annotated[int, typer.Option(help="Level of the labels, for the GeoTIFF.")] = 0,
    into: Into = None,
    image: Annotated[
        Path | None, typer.Option(help="The OME-Zarr of --into, if it was moved.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write finished labels as a GeoTIFF, or into the image's own OME-Zarr."""
    if geotiff is None and into is None:
        raise InputError("Nothing to export is given; give the GeoTIFF to write, or --into NAME.")
    written = _export(labels, geotiff, level)
    if into is not None:
        written["into"] = str(api.write_into(labels, image, name=into))
    typer.echo(json.dumps(written) if as_json else "\n".join(written.values()))


@app.command()
def plan(  # noqa: PLR0913 - one option each
    image: Annotated[str, typer.Argument(help="The image.")],
    method: Method = "slic",
    step: Step = None,
    step_um: StepUm = None,
    compactness: Compactness = None,
    iterations: Iterations = None,
    axes: AxesOption = None,
    level: Level = 0,
    channels: Channels = None,
    region: RegionOption = None,
    window: Window = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what a run would do: lattice, windows, memory, output."""
    settings = _settings(step=step, step_um=step_um, compactness=compactness, iterations=iterations)
    source = api.open(image, axes=axes, level=level, channels=_channels(channels))
    made = api.plan(source, method, region=_region(region), window=window, **settings)
    typer.echo(json.dumps(made.provenance()) if as_json else str(made))


@app.command()
def info(
    image: Annotated[str, typer.Argument(help="The image.")],
    axes: AxesOption = None,
    level: Level = 0,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what would be read: axes, levels, spacing, nodata."""
    facts = api.open(image, axes=axes, level=level).describe()
    if as_json:
        typer.echo(json.dumps(facts, default=str))
        return
    for name, value in _readable(facts):
        typer.echo(f"{name:<12} {value}")


def main() -> None:
    """Run the shell command; every user error is one sentence and an exit code."""
    # What tifffile logs of a broken file stands in our own sentence already.
    logging.getLogger("tifffile").disabled = True
    try:
        app(standalone_mode=False)
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        _fail("Interrupted; what is done is kept: resume it with the same output.", EXIT_CANCELLED)
    except IncompleteRunError as error:
        _fail(str(error), EXIT_INCOMPLETE)
    except SuperpixelsError as error:
        _fail(str(error), EXIT_BAD_INPUT)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _fail(error.format_message(), EXIT_BAD_INPUT)


def _readable(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a person wants to know of an image, as names and short texts."""
    for name in ("name", "location", "format"):
        yield name, str(facts[name])
    for axis in facts["axes"]:
        spacing = f", {axis['spacing']:g} {axis['unit']} apart" if axis["unit"] else ""
        yield f"axis {axis['name']}", f"{axis['size']}{spacing}"
    yield "levels", ", ".join(f"{height} x {width}" for height, width in facts["levels"])
    kind = "RGB" if facts["rgb"] else f"{facts['channels']} channel(s)"
    yield "samples", f"{facts['dtype']}, {kind}{', alpha' if facts['alpha'] else ''}"
    yield "nodata", "none" if facts["nodata"] is None else f"{facts['nodata']:g}"
    yield "chunks", " x ".join(map(str, facts["chunk_shape"]))
    if facts["crs"]:
        yield "crs", facts["crs"].partition("[")[2].split(",")[0].strip('"')
    for note in facts["notes"]:
        yield "note", note


def _fail(sentence: str, code: int) -> None:
    typer.echo(f"Error: {sentence}", err=True)
    sys.exit(code)


def _settings(**values: float | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _channels(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"The channels are {text!r}; give numbers such as 0,2.") from None


def _region(parts: list[str] | None) -> dict[str, tuple[int, int]] | None:
    return dict(map(_span, parts)) if parts else None


def _span(part: str) -> tuple[str, tuple[int, int]]:
    try:
        name, _, bounds = part.partition("=")
        start, stop = map(int, bounds.split(":"))
    except ValueError:
        raise InputError(f"The region is {part!r}; give it as y=0:512.") from None
    return name, (start, stop)


def _outputs(images: list[str], folder: Path) -> list[tuple[str, Path]]:
    names = [Path(image).name.split(".")[0] for image in images]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"Several images are called {twice[0]!r} and would share one output; "
            f"run them one by one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return [(image, folder / f"{name}.zarr") for image, name in zip(images, names, strict=True)]


def _run_all(
    jobs: list[tuple[str, Path]],
    work: Callable[[str, Path], dict[str, Any]],
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    failed = []
    for image, out in jobs:
        try:
            _tell(work(image, out), quiet=quiet, as_json=as_json)
        except Cancelled:
            raise
        except SuperpixelsError as error:
            if len(jobs) == 1:
                raise
            failed.append(image)
            typer.echo(f"Error: {image}: {error}", err=True)
    if failed:
        raise IncompleteRunError(
            f"{len(failed)} of {len(jobs)} images failed ({', '.join(failed)}); "
            f"the others are done."
        )


def _check_geotiff(geotiff: Path | None, images: list[str]) -> None:
    """Refuse, before hours of work, what could not be written after them."""
    from napari_superpixels.io.geotiff_writer import check_new_file

    if geotiff is None:
        return
    if len(images) > 1:
        raise InputError(
            f"One GeoTIFF is given for {len(images)} images; export each output after the run."
        )
    check_new_file(geotiff)


def _export(labels: Path, geotiff: Path | None, level: int = 0) -> dict[str, str]:
    if geotiff is None:
        return {}
    return {"geotiff": str(api.export_geotiff(labels, geotiff, level=level))}


def _summary(result: "RunResult") -> dict[str, Any]:
    report = result.report
    return {
        "path": str(result.path),
        "summary": str(report),
        "tiles": report.tiles,
        "computed": report.computed,
        "seconds": report.seconds,
        "superpixels": report.superpixels,
    }


def _tell(summary: dict[str, Any], *, quiet: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))
    elif not quiet:
        typer.echo(f"{summary['path']}: {summary['summary']}")


def _progress(*, quiet: bool) -> "Any":
    return nullcontext(None) if quiet else _bar()


@contextmanager
def _bar() -> "Iterator[Listener]":
    """Show a bar with rate and time left on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from napari_superpixels.engine.events import RunStarted, TileDone, TileFailed

    columns = (TextColumn("super-tiles"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    silent = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as progress:
        bar = progress.add_task("run")

        def listen(event: "Event") -> None:
            if isinstance(event, RunStarted):
                progress.update(bar, total=event.tiles, completed=event.done)
            elif isinstance(event, TileDone):
                progress.advance(bar)
            elif isinstance(event, TileFailed):
                again = "trying again" if event.retrying else "given up"
                progress.console.print(f"{event.place}: {event.message} ({again})", style="red")

        yield listen
