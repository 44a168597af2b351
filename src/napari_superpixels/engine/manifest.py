"""What an output says of its making: the manifest of a run, and the provenance when it is whole."""

import platform
from importlib.metadata import version
from typing import Any

from napari_superpixels.engine.plan import Plan
from napari_superpixels.models.registry import weights_licence


def manifest_of(plan: Plan) -> dict[str, Any]:
    """Return what a resume needs to make the same plan again."""
    return {
        "hash": plan.hash,
        "provenance": plan.provenance(),
        "opened": plan.source.opened,
    }


def provenance_of(plan: Plan) -> dict[str, Any]:
    """Return what a whole output tells of its making."""
    made = {**plan.provenance(), "hash": plan.hash}
    # Where the image lay, and with which versions, is told but no part of what it is.
    place = {"location": plan.source.location, "versions": versions()}
    licence = weights_licence(plan.method)
    terms = {"weights_licence": licence} if licence else {}
    return made | place | terms


def versions() -> dict[str, str]:
    """Return the versions of what made the labels, by distribution."""
    found = {name: version(name) for name in ("napari-superpixels", "numba", "numpy", "zarr")}
    return {"python": platform.python_version(), **found}


def difference(one: Any, other: Any, path: str = "") -> str:
    """Return the first place where two provenances differ, in words."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if one.get(key) != other.get(key):
                return difference(one.get(key), other.get(key), f"{path}.{key}".strip("."))
    if path == "source.identity":
        return "the image has changed since, or is another one: its source.identity differs"
    return f"its {path} is {one}, here it is {other}"
