"""A benchmark as files: CSV, Markdown tables, curves as pictures; one of each for a protocol."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.benchmark import Row, plot_curves, summary, table
from napari_superpixels.evaluation.tables import markdown, to_csv

RULES = {
    "papers": "raw assignment, pieces under 0.06 of a superpixel merged, resized images for the "
    "grid networks",
    "ours": "native step, native connectivity",
}


def write_report(
    folder: Path, protocol: str, rows: Sequence[Row], *, reference: str | None, about: str
) -> list[Path]:
    """Write what a benchmark measured under one protocol.

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
        If matplotlib is not installed.
    OutputError
        If a file cannot be written.
    """
    figures = _figures(rows)
    header, lines = summary(rows, reference)
    texts = {
        f"{protocol}-rows.csv": to_csv(*table(rows)),
        f"{protocol}-scores.csv": to_csv(header, lines),
        f"{protocol}.md": _page(protocol, markdown(header, lines), about),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
        for name, figure in figures.items():
            figure.savefig(folder / f"{protocol}-{name}.png", dpi=120)
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to '{folder}' ({error.strerror}); look whether that is "
            f"a folder that can be written to and has room."
        ) from error
    pictures = [f"{protocol}-{name}.png" for name in figures]
    return [folder / name for name in (*texts, *pictures)]


def _page(protocol: str, lines: str, about: str) -> str:
    return (
        f"# {protocol}: {RULES[protocol]}\n\n{about}\n\n"
        f"Measured on {hardware.description(('numpy', 'scikit-image', 'torch'))}.\n\n{lines}\n\n"
        f"K is the mean actual count. A gain is the mean difference over images to the reference "
        f"at the same actual count, interpolated in log K, ± its standard error (number of "
        f"images where the reference's counts reach around it).\n"
    )


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise InputError(
            "Curves are drawn with matplotlib, which is not installed; install it with "
            "'pip install napari-superpixels[train]'."
        ) from cause
    figures = {name: Figure(figsize=(6, 4.5), layout="constrained") for name in ("asa", "br-bp")}
    plot_curves(rows, figures["asa"].subplots(), figures["br-bp"].subplots())
    return figures
