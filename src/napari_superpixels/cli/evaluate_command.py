"""``napari-superpixels evaluate``: how good methods are on annotated images."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_superpixels.cli import options as opt
from napari_superpixels.errors import InputError, OutputError

if TYPE_CHECKING:
    from napari_superpixels.evaluation.benchmark import Row, Told
    from napari_superpixels.evaluation.protocol import Method

COUNTS = "100,200,300,400,600,800,1000"

Images = Annotated[Path, typer.Option(help="An image, or a folder of images.")]
Labels = Annotated[
    Path | None,
    typer.Option(help="Their annotations; by default beside or inside the images."),
]
Out = Annotated[Path, typer.Option(help="The folder for tables and curves.")]
Methods = Annotated[str, typer.Option(help="Methods and baselines, e.g. ssn,slic,skimage.")]
Counts = Annotated[str, typer.Option(help="Wanted numbers of superpixels.")]
Protocols = Annotated[
    str, typer.Option(help="papers (raw assignment, small pieces merged), ours, or both.")
]
Reference = Annotated[
    str | None, typer.Option(help="The method that others are compared with; by default the last.")
]
Weights = Annotated[
    list[str] | None,
    typer.Option(metavar="METHOD=FILE", help="Weights of a method; repeatable."),
]
Limit = Annotated[
    int | None,
    typer.Option(parser=opt.positive_number, metavar="NUMBER", help="Use that many images."),
]
Workers = Annotated[
    int,
    typer.Option(parser=opt.positive_number, metavar="NUMBER", help="Images in work at once."),
]


def evaluate(  # noqa: PLR0913 - one option each
    images: Images,
    out: Out,
    labels: Labels = None,
    methods: Methods = "slic,ssn_pix,skimage",
    counts: Counts = COUNTS,
    protocols: Protocols = "papers,ours",
    reference: Reference = None,
    weights: Weights = None,
    limit: Limit = None,
    workers: Workers = 1,
    quiet: opt.Quiet = False,  # noqa: FBT002 - the framework's way to declare a switch
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Measure methods on annotated images: CSV, tables, ASA and BR-BP curves."""
    from napari_superpixels.evaluation.benchmark import run
    from napari_superpixels.evaluation.bsds import Samples
    from napari_superpixels.evaluation.report import KeptRows, check_pictures, write_report

    names, rules, targets = names_of(methods), names_of(protocols), counts_of(counts)
    against = reference_of(reference, names)
    files = weights_of(weights, names)
    runners = {rule: methods_of(names, rule, files) for rule in rules}
    samples = Samples(images, labels, limit=limit)
    check_place(out)
    about = f"{len(samples)} images of `{images.name}`, {sum_of(samples)} annotations, each a row."
    check_pictures()
    written: list[Path] = []
    total = len(rules) * len(samples) * len(names) * len(targets)
    with followed(total, quiet=quiet or as_json) as told:
        for rule, runner in runners.items():
            keep = KeptRows(out, rule)
            rows = run(
                runner,
                samples,
                targets,
                reference=against,
                workers=workers,
                told=both(keep, told),
            )
            written.append(keep.path)
            written += write_report(out, rule, rows, reference=against, about=about)
    if as_json:
        typer.echo(json.dumps({"files": [str(path) for path in written]}))
    elif not quiet:
        for path in written:
            if path.suffix == ".md":
                typer.echo(path.read_text("utf-8"))


def names_of(text: str) -> list[str]:
    """Return the names of a list such as ``slic,skimage``, each once.

    Raises
    ------
    InputError
        If there is none.
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise InputError(f"The list is {text!r}; give names such as slic,skimage.")
    return names


def counts_of(text: str) -> list[int]:
    """Return the numbers of a list such as ``100,300``, ascending, each once.

    Raises
    ------
    InputError
        If it is none, or one of them is less than 1.
    """
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise InputError(f"The counts are {text!r}; give whole numbers from 1, such as 100,300.")
    return counts


def reference_of(given: str | None, names: list[str]) -> str | None:
    """Return with which method the others are compared, None where there are no others.

    Raises
    ------
    InputError
        If it is none of them.
    """
    if given is not None and given not in names:
        raise InputError(
            f"The reference {given!r} is none of the methods {', '.join(names)}; add it to them."
        )
    return given or (names[-1] if len(names) > 1 else None)


def weights_of(given: list[str] | None, names: list[str]) -> dict[str, str]:
    """Return the files of weights by method.

    Raises
    ------
    InputError
        If one is not given as METHOD=FILE, or the method is none of those.
    """
    files = {}
    for text in given or ():
        name, equals, path = text.partition("=")
        if not equals or name not in names:
            raise InputError(
                f"The weights are {text!r}; give them as METHOD=FILE with one of "
                f"{', '.join(names)}."
            )
        files[name] = path
    return files


def methods_of(names: list[str], rule: str, files: dict[str, str]) -> dict[str, "Method"]:
    """Return the methods as a protocol runs them.

    Raises
    ------
    InputError
        If there is no such method or protocol, a package is missing, or there are no weights.
    """
    from napari_superpixels.evaluation.baselines import BASELINES, check_installed
    from napari_superpixels.evaluation.methods import named

    for name in names:
        if name in BASELINES:
            check_installed(name)
    settings = {name: {"weights": files[name]} if name in files else {} for name in names}
    return {name: named(name, rule, settings[name]) for name in names}


def check_place(out: Path) -> None:
    """Refuse a place for the report that is no folder.

    Raises
    ------
    OutputError
        If it is a file.
    """
    if out.exists() and not out.is_dir():
        raise OutputError(f"The output '{out}' is a file; give a folder for tables and curves.")


def both(keep: "Told", show: "Told") -> "Told":
    """Keep rows, and show how far the benchmark is, to which further rows do not count."""

    def told(rows: "Sequence[Row]") -> None:
        keep(rows)
        if not rows[0].further:
            show(rows)

    return told


def sum_of(samples: Any) -> int:
    """Return the number of annotations."""
    return sum(len(pair.annotations) for pair in samples.pairs)


@contextmanager
def followed(total: int, *, quiet: bool) -> Iterator["Told"]:
    """Show how far a benchmark is on standard error, where that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _silent
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("evaluating", total=total)
        yield _advancing(lambda name: progress.update(task, advance=1, description=name))


def _silent(_rows: "Sequence[Row]") -> None:
    """Show nothing."""


def _advancing(advance: Callable[[str], Any]) -> "Told":
    def told(rows: "Sequence[Row]") -> None:
        advance(f"{rows[0].method} {rows[0].target}")

    return told
