"""``napari-superpixels weights``: which there are, and fetching more."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from napari_superpixels.cli import options as opt
from napari_superpixels.errors import InputError
from napari_superpixels.models import weights
from napari_superpixels.models.fetching import REGISTRY, fetch_weights, read_registry

app = typer.Typer(help="Weights of the learned methods: which there are, and fetching more.")

Registry = Annotated[Path, typer.Option(help="A table of weights, JSON; by default our own.")]


@app.command("list")
def list_weights(registry: Registry = REGISTRY, as_json: opt.Json = False) -> None:  # noqa: FBT002
    """List shipped weights, your own, and those that can be fetched."""
    rows = [*_there(weights.SHIPPED, "shipped"), *_there(weights.own_folder(), "yours")]
    known = {row["name"] for row in rows}
    for entry in read_registry(registry).values():
        if entry.name not in known:
            where = f"to fetch, {entry.size / 1e6:.1f} MB"
            rows.append(_row(entry.name, entry.card["network"], entry.card["licence"], where))
    for row in rows:
        typer.echo(json.dumps(row) if as_json else "  ".join(row.values()))


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As the list calls them.")],
    registry: Registry = REGISTRY,
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Fetch weights of the registry into the folder of your own."""
    path = fetch_weights(name, registry)
    typer.echo(json.dumps({"name": name, "path": str(path)}) if as_json else str(path))


def _there(folder: Path, where: str) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob(f"*{weights.SUFFIX}")):
        with suppress(InputError):  # of a file whose card is missing, which is no weights
            card = weights.read_card(path)
            found.append(_row(path.stem, card["network"], str(card.get("licence", "-")), where))
    return found


def _row(name: str, network: str, licence: str, where: str) -> dict[str, str]:
    return {"name": name, "network": network, "where": where, "licence": licence}
