"""A finished run as a labels layer: arrays on disk, visible, in colours, with the cells' means."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray

from napari_superpixels.engine.instance_plan import NAME as INSTANCES
from napari_superpixels.engine.instance_ranks import TABLE
from napari_superpixels.errors import SourceError
from napari_superpixels.io.label_output import LabelOutput, open_labels
from napari_superpixels.napari_ui.colours import class_colours, superpixel_colours
from napari_superpixels.napari_ui.layer_facts import OURS
from napari_superpixels.napari_ui.reader import LayerData
from napari_superpixels.napari_ui.wording import layer_name
from napari_superpixels.napari_ui.world import layer_place

MOST_FEATURES = 100_000
"""Cells up to which the means become the layer's features: napari keeps them as a table."""


def finished_layer(path: Path) -> LayerData:
    """Return the layer of a finished label image; any thread may call it.

    Parameters
    ----------
    path
        Folder that `run` wrote, or labels that `write_into` wrote into an image.

    Returns
    -------
    tuple
        Zarr arrays (napari's cache would keep what dask arrays held before), keyword arguments of
        a Labels layer, ``"labels"``.

    Raises
    ------
    SourceError
        If it is missing, unfinished or broken.
    """
    labels = open_labels(path)
    data = list(labels.levels) if len(labels.levels) > 1 else labels.levels[0]
    try:
        return data, _keywords(labels), "labels"
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"The provenance of {path} is broken ({error!r}); restore it, or run again"
        ) from None


def _keywords(labels: LabelOutput) -> dict[str, Any]:
    facts = labels.provenance
    return {
        **layer_place(labels.axes),
        "name": finished_name(facts),
        "visible": True,
        "multiscale": len(labels.levels) > 1,
        "colormap": _colours(labels),
        "metadata": {OURS: {"provenance": facts, "path": str(labels.path)}},
        "features": _features(labels),
    }


def _colours(labels: LabelOutput) -> CyclicLabelColormap:
    if labels.classes:
        return class_colours({number: rgba for number, (_, rgba) in labels.classes.items()})
    if labels.provenance["method"]["name"] == INSTANCES:
        return superpixel_colours((1, 1))
    rows, columns = labels.provenance["lattice"]["cells"]
    return superpixel_colours((rows, columns), labels.provenance["lattice"]["planes"])


def _features(labels: LabelOutput) -> dict[str, Any]:
    if labels.provenance["method"]["name"] == INSTANCES:
        return object_features(labels)
    return class_features(labels) or cell_features(labels)


def class_features(labels: LabelOutput) -> dict[str, Any]:
    """Return ids and names of classes, one row each; none of other labels."""
    names = {number: name for number, (name, _) in labels.classes.items()}
    return {"index": list(names), "class": list(names.values())} if names else {}


def object_features(labels: LabelOutput) -> dict[str, Any]:
    """Return class and pixels of instances, one row each; none of more than 100 000."""
    if labels.provenance["instances"] > MOST_FEATURES:
        return {}
    try:
        with open(labels.path / TABLE, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {
            "index": np.array([int(row["id"]) for row in rows]),
            "class": [row["name"] or row["class"] for row in rows],
            "pixels": np.array([int(row["area_px"]) for row in rows]),
        }
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(
            f"The table {labels.path / TABLE} cannot be read ({error!r}); restore it, or run again"
        ) from None


def finished_name(provenance: dict[str, Any]) -> str:
    """Return what finished labels are called, e.g. ``"slide slic 16px"``."""
    if provenance["method"]["name"] == INSTANCES:
        return f"{provenance['source']['name']} {INSTANCES}"
    step = provenance["lattice"]["step_px"]
    size = str(step[0]) if len(set(step)) == 1 else " x ".join(map(str, step))
    what = provenance.get("output", {}).get("kind", f"{size}px")
    return layer_name(provenance["source"]["name"], provenance["method"]["name"], what)


def cell_features(labels: LabelOutput) -> dict[str, NDArray[Any]]:
    """Return pixels and mean colour of every superpixel, one row each.

    Returns
    -------
    dict
        ``index`` (the label), ``pixels``, ``mean 0``, ``mean 1`` ...; empty where there are no
        tables or more than 100 000 cells.
    """
    ids = _ids(labels.provenance)
    if ids.size > MOST_FEATURES or not (labels.path / "cells").is_dir():
        return {}
    try:
        tables = zarr.open_group(labels.path / "cells", mode="r")
        counts = np.asarray(tables["counts"]).ravel()
        means = np.asarray(tables["means"]).reshape(ids.size, -1)
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        raise SourceError(
            f"The tables of {labels.path} cannot be read ({error}); restore them, or run again"
        ) from None
    there = counts > 0
    columns = {f"mean {i}": means[there, i] for i in range(means.shape[1])}
    return {"index": ids.ravel()[there], "pixels": counts[there], **columns}


def _ids(provenance: dict[str, Any]) -> NDArray[np.int64]:
    """Return the label of every cell of the tables, shape ((t, z,) cells y, cells x)."""
    lattice = provenance["lattice"]
    shape = (*lattice["leading"], *lattice["cells"])
    spans = (*provenance["planes"], *provenance["region_cells"])
    places = np.ix_(*(np.arange(start, stop) for start, stop in spans))
    ids: NDArray[np.int64] = np.ravel_multi_index(np.broadcast_arrays(*places), shape) + 1
    return ids
