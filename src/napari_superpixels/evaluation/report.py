"""A benchmark as files: CSV, Markdown tables, curves as pictures; one of each for a protocol."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.benchmark import Row, table
from napari_superpixels.evaluation.comparison import Comparison, plot_curves, summary
from napari_superpixels.evaluation.tables import markdown, to_csv

RULES = {
    "papers": "raw assignment, pieces under 0.06 of a superpixel merged, resized images for the "
    "grid networks",
    "ours": "native step, native connectivity",
}

EXPLAINED = """\
- K: superpixels that were left, on average; `asked` is what was asked for.
- ASA, higher is better: share of pixels that are right if each superpixel takes the segment it
  overlaps most.
- BR, higher is better: share of the annotation's border pixels with a superpixel border within the
  tolerance, a square of 0.0025 of the diagonal to each side (1 px for 481 x 321), both sides of
  borders. BR thin: one side of them, 1 px.
- BP, higher is better: found border pixels over those and the superpixels' borders that are none of
  the annotation; about 0.1, because there are more superpixels than segments. It falls as K grows.
- UE_NP, lower is better: share of pixels that leak out of segments, where the smaller part of a
  superpixel leaks.
- CO, higher is rounder, not better: 0.785 for squares.
- EV, higher is better: share of the colours' variance that superpixels' means keep.

All grow or fall with K, so compare at equal K only. K, ASA and the others are means over
annotations: an image with more of them weighs more. Gains are means over images: the difference to
the reference at the same actual count, interpolated in log K and never beyond it, ± its standard
error over images (n of N images where the reference's counts reach around the method's). A gain
below twice its error may be chance. Where n is less than N the rest is not compared, so ask for
more counts.
"""


def check_pictures() -> None:
    """Refuse before the work what could not be drawn after it.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401 - only whether it is there
    except ImportError as cause:
        raise InputError(
            "Curves are drawn with matplotlib, which is not installed; install it with "
            "'pip install napari-superpixels[train]'."
        ) from cause


class KeptRows:
    """A CSV of rows that are written as they come, so that nothing measured is lost.

    The file is made with the first of them, in place of an older one.

    Parameters
    ----------
    folder
        Where to; made where it is missing.
    protocol
        Its name, with which the file begins.
    """

    def __init__(self, folder: Path, protocol: str) -> None:
        self.path = folder / f"{protocol}-rows.csv"
        self._lock = Lock()
        self._begun = False

    def __call__(self, rows: Sequence[Row]) -> None:
        """Write rows, from any thread; they are in the file when this returns.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        header, lines = table(rows)
        with self._lock, _writing(self.path.parent):
            if not self._begun:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(to_csv(header, []), "utf-8")
                self._begun = True
            with self.path.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(lines)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to '{folder}' ({error.strerror}); look whether that is "
            f"a folder that can be written to and has room."
        ) from error


def write_report(
    folder: Path, protocol: str, rows: Sequence[Row], *, reference: str | None, about: str
) -> list[Path]:
    """Write what a benchmark measured under one protocol: tables, and then pictures.

    Parameters
    ----------
    folder
        Where to; made where it is missing.
    protocol
        Its name, with which all files begin.
    rows
        What `benchmark.run` returned.
    reference
        With which method the others are compared.
    about
        Images and annotations, in words.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    InputError
        If matplotlib is not installed; the tables are there then.
    OutputError
        If a file cannot be written.
    """
    comparison = Comparison(rows)
    header, lines = summary(comparison, reference)
    texts = {
        folder / f"{protocol}-scores.csv": to_csv(header, lines),
        folder / f"{protocol}.md": _page(protocol, markdown(header, lines), about),
    }
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, "utf-8")
    pictures = _figures(comparison, f"{protocol}, {len({row.image for row in rows})} images")
    with _writing(folder):
        for name, figure in pictures.items():
            figure.savefig(folder / f"{protocol}-{name}.png", dpi=120)
    return [*texts, *(folder / f"{protocol}-{name}.png" for name in pictures)]


def _page(protocol: str, lines: str, about: str) -> str:
    return (
        f"# {protocol}: {RULES[protocol]}\n\n{about}\n\n"
        f"Measured on {hardware.description(('numpy', 'scikit-image', 'torch'))}.\n\n{lines}\n\n"
        f"{EXPLAINED}"
    )


def _figures(comparison: Comparison, title: str) -> dict[str, Any]:
    check_pictures()
    from matplotlib.figure import Figure

    figures = {name: Figure(figsize=(6, 4.5), layout="constrained") for name in ("asa", "br-bp")}
    axes = {name: figure.subplots() for name, figure in figures.items()}
    plot_curves(comparison, axes["asa"], axes["br-bp"])
    axes["asa"].set_title(f"{title}; bars: standard error over them")
    axes["br-bp"].set_title(f"{title}; numbers: superpixels")
    return figures
