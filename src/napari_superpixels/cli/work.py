"""One image after the other: run or resumed, exported, told."""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_superpixels.engine.events import Event, RunStarted, ignore
from napari_superpixels.engine.files import write_json
from napari_superpixels.engine.records import RunState, is_output, partial_path
from napari_superpixels.errors import (
    Cancelled,
    IncompleteRunError,
    InputError,
    OutputError,
    SuperpixelsError,
)
from napari_superpixels.exports import export_geotiff, write_into
from napari_superpixels.models.registry import weights_licence
from napari_superpixels.models.settings import idle_settings

if TYPE_CHECKING:
    from napari_superpixels.engine.events import Listener
    from napari_superpixels.engine.instances import InstancesResult
    from napari_superpixels.engine.plan import Plan
    from napari_superpixels.engine.run import RunResult

Exports = dict[str, str]
"""What is to follow a run: ``geotiff`` and its file, ``into`` and the name of the labels."""


def exports_of(geotiff: Path | None, into: str | None) -> Exports:
    """Return what is to follow a run."""
    wanted = {"geotiff": str(geotiff.absolute()) if geotiff else None, "into": into}
    return {name: value for name, value in wanted.items() if value is not None}


def export_all(labels: Path, exports: Exports) -> dict[str, str]:
    """Write what is to follow; return where it lies."""
    written = {}
    if "geotiff" in exports:
        written["geotiff"] = str(export_geotiff(labels, exports["geotiff"]))
    if "into" in exports:
        written["into"] = str(write_into(labels, name=exports["into"]))
    return written


def missing_exports(image: str, exports: Exports) -> Exports:
    """Return those that are not there yet."""
    places = {name: Path(value) for name, value in exports.items()}
    if "into" in places:
        places["into"] = Path(image) / "labels" / exports["into"]
    return {name: exports[name] for name, place in places.items() if not place.exists()}


def remembering(listener: "Listener | None", out: Path, exports: Exports) -> "Listener":
    """Return a listener that also notes, when the run begins, what is to follow it."""
    path = _note(out)

    def listen(event: Event) -> None:
        if isinstance(event, RunStarted) and exports:
            write_json(path, exports)
        (listener or ignore)(event)

    return listen


def remembered(out: Path) -> Exports:
    """Return what the run that began an output was to do after it."""
    try:
        exports: Exports = json.loads(_note(out).read_text())
    except (OSError, ValueError):
        return {}
    return exports


def _note(out: Path) -> Path:
    return RunState(partial_path(out)).folder / "exports.json"


def unfinished(path: Path) -> Path:
    """Return the output that is to be resumed, also where the partial folder is given.

    Raises
    ------
    InputError, OutputError
        If there is none of that name.
    """
    out = path.with_name(path.name.removesuffix(".partial")) if path.name else path
    if out.name in ("", ".."):
        raise InputError(f"The output is {str(path)!r}; give the name of an unfinished output.")
    if not out.exists() and not partial_path(out).exists():
        raise OutputError(f"There is no unfinished output of the name {out}; look at the name.")
    return out


def resumable(out: Path) -> bool:
    """Return whether an unfinished run lies there."""
    return RunState(partial_path(out)).manifest_path.exists()


@contextmanager
def advising(out: Path, exports: Exports, part: str | None = None) -> Iterator[None]:
    """Tell, where the block is interrupted, the command that goes on.

    Raises
    ------
    Cancelled
        With that sentence.
    """
    try:
        yield
    except (Cancelled, KeyboardInterrupt):
        if part is not None:
            raise Cancelled(
                f"Interrupted; what is done is kept: start part {part} again with the same command."
            ) from None
        raise Cancelled(_advice(out, exports)) from None


def _advice(out: Path, exports: Exports) -> str:
    if resumable(out):
        return f"Interrupted; what is done is kept: go on with `{_command('resume', out)}`."
    if not is_output(out):
        return "Interrupted before anything was done; run again."
    geotiff = [exports["geotiff"]] if "geotiff" in exports else []
    into = ["--into", exports["into"]] if "into" in exports else []
    command = _command("export", out, *geotiff, *into)
    return f"Interrupted; the labels are whole: what is missing is `{command}`."


def _command(*words: object) -> str:
    return shlex.join(["napari-superpixels", *map(str, words)])


def run_all(
    jobs: list[tuple[str, Path]],
    work: Callable[[str, Path], dict[str, Any]],
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Work on each image; a bad one among several does not stop the others.

    Raises
    ------
    IncompleteRunError
        If some of several failed.
    Cancelled
        If it was interrupted.
    """
    failed = []
    for image, out in jobs:
        try:
            tell({"image": image} | work(image, out), quiet=quiet, as_json=as_json)
        except (Cancelled, KeyboardInterrupt):
            if len(jobs) == 1:
                raise
            raise Cancelled(
                "Interrupted; what is done is kept: go on with the same command and "
                "--skip-existing."
            ) from None
        except (SuperpixelsError, OSError) as error:
            failed.append(image)
            if as_json:
                typer.echo(json.dumps({"image": image, "error": str(error)}))
            elif len(jobs) > 1:
                typer.echo(f"Error: {image}: {error}", err=True)
            if len(jobs) == 1:
                raise
    if failed:
        rest = "none is done" if len(failed) == len(jobs) else "the others are done"
        raise IncompleteRunError(
            f"{len(failed)} of {len(jobs)} images failed ({', '.join(failed)}); {rest}."
        )


RESTRICTED = "non-commercial"
"""What licences of weights say that forbid some uses."""


def tell_terms(plan: "Plan") -> None:
    """Say in one line what weights may be used for, where their licence forbids some uses."""
    licence = weights_licence(plan.method)
    if RESTRICTED in licence.lower():
        typer.echo(f"The weights of {plan.method.name}: {licence}.", err=True)


def tell_notes(plan: "Plan", given: Iterable[str]) -> None:
    """Say what is to be known of the method, and which options have no effect.

    Parameters
    ----------
    plan
        What will be done.
    given
        Names of the settings that were given.
    """
    for note in plan.method_notes:
        typer.echo(f"Note: {note}.", err=True)
    tell_idle(plan, given)


def tell_idle(plan: "Plan", given: Iterable[str]) -> None:
    """Say in a line each which of the settings that were given have no effect."""
    for name in sorted(idle_settings(plan.method).intersection(given)):
        typer.echo(f"Note: --{name} has no effect on the network of these weights.", err=True)


WASTEFUL = 8
"""How many times its own pixels a window may read before that is told."""


def tell_waste(plan: "Plan") -> None:
    """Say in one line where windows are so small that most of the work is done for their halo."""
    times = prod(plan.read_px) / prod(plan.core_px)
    if len(plan.windows) > 1 and times > WASTEFUL:
        typer.echo(
            f"Each window reads {times:.0f} times the pixels that it labels; leave --window out, "
            f"or give a larger one.",
            err=True,
        )


def summary_of(result: "RunResult | InstancesResult") -> dict[str, Any]:
    """Return what a run did, as values that JSON can hold."""
    report = result.report
    return {
        "path": str(result.path),
        "summary": str(report),
        "tiles": report.tiles,
        "computed": report.computed,
        "seconds": report.seconds,
        report.things: report.superpixels,
    }


def tell(summary: dict[str, Any], *, quiet: bool, as_json: bool) -> None:
    """Print what was done; warn of an image without a single superpixel."""
    if as_json:
        typer.echo(json.dumps(summary))
    elif not quiet:
        what = f"part {summary['part']}, " if "part" in summary else ""
        typer.echo(f"{summary['path']}: {what}{summary['summary']}")
        for name in ("geotiff", "into"):
            if name in summary:
                typer.echo(f"{summary['path']}: also in {summary[name]}")
    if summary.get("superpixels") == 0 and "part" not in summary and not quiet:
        typer.echo(
            f"Warning: {summary['path']} has no superpixel, for no pixel holds data; look at the "
            f"mask, the nodata value and the region.",
            err=True,
        )
