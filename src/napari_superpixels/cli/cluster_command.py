"""Runs on a cluster, and outputs made in parts: what the shell has for them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_superpixels import api
from napari_superpixels.cli import options as opt
from napari_superpixels.cli.progress import progress
from napari_superpixels.cli.work import (
    advising,
    export_all,
    remembered,
    summary_of,
    tell,
    unfinished,
)

if TYPE_CHECKING:
    from distributed import Client

CHATTY = (
    "distributed",
    "distributed.client",
    "distributed.comm",
    "distributed.core",
    "tornado",
    "tornado.application",
)
"""Loggers that tell at length what the shell says in a sentence."""


def finish(
    out: Annotated[Path, typer.Argument(help="The output that the parts were given.")],
    workers: opt.Workers = None,
    device: opt.ResumeDevice = None,
    profile: opt.Profile = None,
    quiet: opt.Quiet = False,  # noqa: FBT002 - the framework's way to declare a switch
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Finish an output whose parts are done, with the exports that they were given."""
    out = unfinished(out)
    exports = remembered(out)
    with advising(out, exports), progress(quiet=quiet or as_json) as listener:
        result = api.finish(out, workers=workers, device=device, listener=listener, profile=profile)
        summary = summary_of(result) | export_all(out, exports)
    tell(summary, quiet=quiet, as_json=as_json)


@contextmanager
def reached(address: str | None) -> "Iterator[Client | None]":
    """Connect to a scheduler, if one is named, as long as the block runs."""
    if address is None:
        yield None
        return
    from napari_superpixels.engine.cluster import check_installed, connected

    check_installed()
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with connected(address) as client:
        yield client
