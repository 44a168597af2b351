"""The record of a training as CSV, a row for each step, and its curves as a picture."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.training.events import Event, StepDone, Validated

NAME = "log.csv"
CURVES = "curves.png"
FIRST = ("step", "rate", "loss")
TERM = "loss_"
"""What names of the terms of a loss begin with; all other columns are scores."""

TITLES = {
    "loss": "Loss, running mean (lower is better)",
    "asa": "ASA (higher is better)",
    "br": "Boundary recall (higher is better)",
    "miou": "mIoU (higher is better)",
    "boundary_f": "F of boundaries (higher is better)",
    "delta1": "delta1 (higher is better)",
    "rms": "RMS (lower is better)",
}
WATCHED = ("asa", "miou", "delta1")
"""What the best checkpoint is chosen by."""

Row = dict[str, str]


class Log:
    """Listens to a training and keeps its CSV.

    Parameters
    ----------
    folder
        Where `NAME` lies.
    done
        Steps that the checkpoint has: rows of later ones, which a crash left, are dropped.
    """

    def __init__(self, folder: Path, done: int = 0) -> None:
        self._path = folder / NAME
        self._names: list[str] = []
        kept = [row for row in read_log(self._path) if int(row["step"]) <= done]
        if kept:
            self._names = list(kept[0])
        _write(self._path, self._names, kept)

    def __call__(self, event: Event) -> None:
        """Add a row for a step; a validation gets one of its own."""
        if isinstance(event, StepDone):
            first = {"step": event.step, "rate": event.rate, "loss": event.loss}
            self._add(first | _prefixed(event.losses))
        elif isinstance(event, Validated):
            self._add({"step": event.step} | event.scores)

    def _add(self, values: Mapping[str, Any]) -> None:
        missing = [name for name in values if name not in self._names]
        if missing:
            self._extend([*self._names, *missing])
        row = {name: _text(value) for name, value in values.items()}
        with _written(self._path), self._path.open("a", newline="") as file:
            csv.DictWriter(file, self._names, restval="").writerow(row)

    def _extend(self, names: list[str]) -> None:
        """Give the table more columns, which happens once or twice at its beginning."""
        terms = [name for name in names if name.startswith(TERM)]
        scores = [name for name in names if name not in (*FIRST, *terms)]
        self._names = [*FIRST, *terms, *scores]
        _write(self._path, self._names, read_log(self._path))


def _prefixed(losses: Mapping[str, float]) -> dict[str, float]:
    return {f"{TERM}{name}": value for name, value in losses.items()}


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The log '{path}' cannot be written ({error.strerror}); make room there and go on "
            f"with --resume, which has the last checkpoint."
        ) from error


def _write(path: Path, names: list[str], rows: list[Row]) -> None:
    """Write a table beside the old one and move it there."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with _written(path):
            with unfinished.open("w", newline="") as file:
                table = csv.DictWriter(file, names, restval="")
                if names:
                    table.writeheader()
                table.writerows(rows)
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_log(path: Path) -> list[Row]:
    """Read the rows of a log, empty texts where a column has no value.

    Parameters
    ----------
    path
        The file, maybe missing.
    """
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if _is_whole(row)]


def _is_whole(row: Row) -> bool:
    """Whether a row has all its columns, and the number of its step."""
    return None not in row.values() and row.get("step", "").isdecimal()


def column(rows: list[Row], name: str) -> tuple[list[int], list[float]]:
    """Return steps and values of a column, where it has any.

    Parameters
    ----------
    rows
        What `read_log` returned.
    name
        Name of the column.
    """
    found = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    return [step for step, _ in found], [value for _, value in found]


def smooth(values: list[float], window: int) -> list[float]:
    """Return running means over the values so far, at most `window` of them."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    starts = [max(0, end - window) for end in range(1, len(sums))]
    return [(sums[end] - sums[at]) / (end - at) for end, at in enumerate(starts, start=1)]


def plot(folder: Path) -> Path:
    """Draw loss and scores over the steps.

    Parameters
    ----------
    folder
        A training's folder; `CURVES` is written there.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise InputError(
            "Curves are drawn with matplotlib, which is not installed; install it with "
            "'pip install napari-superpixels[train]'."
        ) from cause
    rows = read_log(folder / NAME)
    names = [name for name in TITLES if column(rows, name)[0]]
    figure = Figure(figsize=(3.5 * max(1, len(names)), 3), layout="constrained")
    FigureCanvasAgg(figure)
    for number, name in enumerate(names, start=1):
        _draw(figure.add_subplot(1, len(names), number), rows, name)
    path = folder / CURVES
    figure.savefig(path, dpi=120)
    return path


def _draw(axes: Any, rows: list[Row], name: str) -> None:
    """Draw one column; of the loss a running mean, of what is watched also where it is best."""
    steps, values = column(rows, name)
    window = max(1, len(values) // 50) if name == "loss" else 1
    axes.plot(steps, smooth(values, window), marker="" if name == "loss" else ".")
    axes.set(xlabel="step", title=TITLES[name])
    if name in WATCHED:
        best = max(range(len(values)), key=values.__getitem__)
        axes.plot(steps[best], values[best], "o", label=f"best, step {steps[best]}")
        axes.legend()
