"""The shell: ``napari-superpixels run | resume | finish | instances | export | plan | ...``."""

import atexit
import errno
import json
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_superpixels import api
from napari_superpixels.cli import options as opt
from napari_superpixels.cli import weights_command
from napari_superpixels.cli.cluster_command import finish, reached
from napari_superpixels.cli.evaluate_command import evaluate
from napari_superpixels.cli.instances_command import instances
from napari_superpixels.cli.look_command import info, plan
from napari_superpixels.cli.places import (
    check_geotiff,
    check_into,
    check_profile,
    jobs_of,
)
from napari_superpixels.cli.progress import progress
from napari_superpixels.cli.train_command import train
from napari_superpixels.cli.work import (
    advising,
    export_all,
    exports_of,
    missing_exports,
    remembered,
    remembering,
    resumable,
    run_all,
    summary_of,
    tell,
    tell_notes,
    tell_terms,
    tell_waste,
    unfinished,
)
from napari_superpixels.engine.records import is_output
from napari_superpixels.engine.ways import check_exportable
from napari_superpixels.errors import (
    Cancelled,
    IncompleteRunError,
    InputError,
    SuperpixelsError,
    reason_of,
)
from napari_superpixels.exports import export_geotiff, write_into

EXIT_BAD_INPUT = 2
"""Something about the input, a parameter or the output is wrong; nothing was computed."""
EXIT_INCOMPLETE = 3
"""Super-tiles, or some of several images, failed; the rest is done and kept."""
EXIT_CANCELLED = 130
"""Interrupted; what is done is kept."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Superpixels over images of any size; the tiling never shows.",
)

app.command()(finish)
app.command()(instances)
app.command()(train)
app.command()(evaluate)
app.command()(plan)
app.command()(info)
app.add_typer(weights_command.app, name="weights")


@app.callback(invoke_without_command=True)
def shell(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,  # noqa: FBT002
) -> None:
    """Superpixels over images of any size; the tiling never shows."""
    if version:
        from napari_superpixels import __version__

        typer.echo(f"napari-superpixels {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(  # noqa: PLR0913 - one option each
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Images, and the OME-Zarr to write; of several images OUT is a folder.",
        ),
    ],
    method: opt.Method = "slic",
    step: opt.Step = None,
    step_um: opt.StepUm = None,
    compactness: opt.Compactness = None,
    iterations: opt.Iterations = None,
    weights: opt.Weights = None,
    exact: opt.Exact = None,
    probabilities: opt.Probabilities = None,
    flips: opt.Flips = None,
    scales: opt.Scales = None,
    patch: opt.Patch = None,
    decoding: opt.Decoding = None,
    axes: opt.AxesOption = None,
    level: opt.Level = 0,
    channels: opt.Channels = None,
    rgb: opt.Rgb = None,
    mask: opt.Mask = None,
    region: opt.RegionOption = None,
    window: opt.Window = None,
    device: opt.DeviceOption = "auto",
    precision: opt.Precision = "exact",
    workers: opt.Workers = None,
    part: opt.Part = None,
    scheduler: opt.Scheduler = None,
    into: opt.Into = None,
    geotiff: opt.Geotiff = None,
    profile: opt.Profile = None,
    skip_existing: opt.SkipExisting = False,  # noqa: FBT002 - the framework's way to declare a switch
    quiet: opt.Quiet = False,  # noqa: FBT002
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Label one image, or several, into multiscale OME-Zarr."""
    settings = opt.settings_of(
        step=step,
        step_um=step_um,
        compactness=compactness,
        iterations=iterations,
        weights=weights,
        exact=exact,
        probabilities=probabilities,
        flips=flips,
        scales=opt.scales_of(scales),
        patch=patch,
        decoding=decoding,
    )
    picks, spans, one = opt.channels_of(channels), opt.region_of(region), opt.part_of(part)
    exports = exports_of(geotiff, into)

    def work(image: str, out: Path) -> dict[str, Any]:
        if skip_existing and is_output(out):
            told = {"path": str(out), "summary": "finished already, skipped", "skipped": True}
            return told | export_all(out, missing_exports(image, exports))
        source = api.open(image, axes=axes, level=level, channels=picks, mask=mask, rgb=rgb)
        if not (quiet or as_json):
            for note in source.notes:
                typer.echo(f"{source.name}: {note}", err=True)
        made = api.plan(
            source,
            method,
            region=spans,
            window=window,
            device=device,
            precision=precision,
            **settings,
        )
        if not (quiet or as_json):
            tell_terms(made)
            tell_notes(made, settings)
            tell_waste(made)
        if exports:
            check_exportable(made)
        check_into(made, into)
        again = skip_existing and resumable(out)
        with advising(out, exports, part), progress(quiet=quiet or as_json) as listener:
            listener = remembering(listener, out, exports)
            result = api.run(made, out, workers=workers, listener=listener, resume=again,
                             client=client, part=one, profile=profile)  # fmt: skip
            if one is not None:
                return summary_of(result) | {"part": part}
            return summary_of(result) | export_all(out, exports)

    if not (skip_existing and is_output(Path(paths[-1]))):
        check_geotiff(geotiff, len(paths) - 1)
    check_profile(profile, len(paths) - 1)
    if part is not None and scheduler is not None:
        raise InputError("Both --part and --scheduler are given; give one of them.")
    jobs = jobs_of(paths)
    with reached(scheduler) as client:
        run_all(jobs, work, quiet=quiet, as_json=as_json)


@app.command()
def resume(
    out: Annotated[Path, typer.Argument(help="The output whose run did not finish.")],
    workers: opt.Workers = None,
    scheduler: opt.Scheduler = None,
    device: opt.ResumeDevice = None,
    profile: opt.Profile = None,
    quiet: opt.Quiet = False,  # noqa: FBT002
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Go on with an unfinished output, and with the exports that its run was to make."""
    out = unfinished(out)
    exports = remembered(out)
    with (
        reached(scheduler) as client,
        advising(out, exports),
        progress(quiet=quiet or as_json) as listener,
    ):
        result = api.resume(out, workers=workers, device=device, listener=listener,
                            client=client, profile=profile)  # fmt: skip
        summary = summary_of(result) | export_all(out, exports)
    tell(summary, quiet=quiet, as_json=as_json)


@app.command()
def export(
    labels: Annotated[Path, typer.Argument(metavar="OUT", help="The output of a finished run.")],
    geotiff: Annotated[Path | None, typer.Argument(help="The GeoTIFF to write.")] = None,
    level: Annotated[
        int,
        typer.Option(
            parser=opt.whole_number, metavar="LEVEL", help="Level of the labels, for the GeoTIFF."
        ),
    ] = 0,
    into: opt.Into = None,
    image: Annotated[
        Path | None, typer.Option(help="The OME-Zarr of --into, if it was moved.")
    ] = None,
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Write finished labels as a GeoTIFF, or into the image's own OME-Zarr."""
    if geotiff is None and into is None:
        raise InputError("Nothing to export is given; give the GeoTIFF to write, or --into NAME.")
    check_geotiff(geotiff)
    written = {}
    if geotiff is not None:
        written["geotiff"] = str(export_geotiff(labels, geotiff, level=level))
    if into is not None:
        written["into"] = str(write_into(labels, image, name=into))
    typer.echo(json.dumps(written) if as_json else "\n".join(written.values()))


TOLD_OTHERWISE = ("tifffile", "napari_superpixels.io.opening")
"""Loggers of broken files and of guesses, which the shell tells in its own sentences."""


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Switch some loggers off for a while."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def main() -> None:
    """Run the shell command; every user error is one sentence and an exit code."""
    # Up to the process's end: asyncio tells of each task that zarr leaves when a disk is full.
    logging.getLogger("asyncio").disabled = True
    try:
        with _terminable(), _silent(*TOLD_OTHERWISE):
            code = app(standalone_mode=False)
    except Cancelled as error:
        _fail(str(error), EXIT_CANCELLED)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_CANCELLED
    except IncompleteRunError as error:
        _fail(str(error), EXIT_INCOMPLETE)
    except SuperpixelsError as error:
        _fail(str(error), EXIT_BAD_INPUT)
    except OSError as error:
        _fail(_system_sentence(error), EXIT_BAD_INPUT)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _fail(error.format_message(), EXIT_BAD_INPUT)
    if code == EXIT_CANCELLED:  # also what typer makes of a KeyboardInterrupt
        _fail("Interrupted; outputs that were finished before are kept.", EXIT_CANCELLED)
    if code:
        sys.exit(code)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a polite kill, as of a batch system, end the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _system_sentence(error: OSError) -> str:
    if error.errno == errno.EPIPE:
        return "Whoever read the output has gone; the rest of it is not printed."
    what = reason_of(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{what}; look whether the output can be written there and the disk has room."


def _fail(sentence: str, code: int) -> None:
    typer.echo(f"Error: {sentence}", err=True)
    atexit.register(_hush)
    sys.exit(code)


def _hush() -> None:
    """End without more words: tasks that zarr leaves on a full disk would complain as they go."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
