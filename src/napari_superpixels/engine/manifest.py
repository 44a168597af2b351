"""What an output says of its making: the manifest of a run, and the provenance when it is whole."""

import json
import platform
from importlib.metadata import version
from typing import Any, Protocol

from napari_superpixels.engine.plan import Plan
from napari_superpixels.errors import OutputError
from napari_superpixels.io.reopening import reopen
from napari_superpixels.io.sampling import sample_places, samples_of
from napari_superpixels.io.source import Source
from napari_superpixels.models.registry import weights_licence


class Resumable(Protocol):
    """A plan, of whatever, whose output can be gone on with."""

    @property
    def source(self) -> Source:
        """The image."""
        ...

    @property
    def hash(self) -> str:
        """The same for equal plans."""
        ...

    @property
    def made_with(self) -> dict[str, str]:
        """What else may tell in the output: versions by distribution, and hardware."""
        ...

    def provenance(self) -> dict[str, Any]:
        """Return what makes the output, as JSON."""
        ...


def manifest_of(plan: Resumable) -> dict[str, Any]:
    """Return what a resume needs to make the same plan again, and to know the image again.

    Few megabytes of the image are read for it.
    """
    opened = plan.source.opened
    return {
        "hash": plan.hash,
        "provenance": plan.provenance(),
        "opened": opened,
        # Not the plan's: it may have been made before a repair.
        "seen": identity_now(plan),
        "libraries": plan.made_with,
        # An array in memory is known by all of its pixels already.
        "samples": [] if opened is None else samples_of(plan.source),
    }


def identity_now(plan: Resumable) -> str | None:
    """Return the identity of the image as it is now; None of an array in memory."""
    opened = plan.source.opened
    return None if opened is None else reopen(opened).identity


def judge(
    begun: dict[str, Any], plan: Resumable, failures: list[dict[str, Any]], name: str
) -> dict[str, Any]:
    """Return the manifest with which an unfinished output goes on.

    An image whose files have other sizes or times than before is another image; but where parts
    of it could not be read, a repair is what everyone hopes for: then its metadata and the pixels
    of the sampled places decide.

    Parameters
    ----------
    begun
        The manifest of the output.
    plan
        With which to go on.
    failures
        Super-tiles that failed before.
    name
        What the user calls the output.

    Raises
    ------
    OutputError
        If it is of another plan or image.
    """
    now: dict[str, Any] = json.loads(json.dumps(manifest_of(plan)))
    repaired = any(failure["message"].startswith("SourceError") for failure in failures)
    if begun["hash"] != now["hash"]:
        one, other = begun["provenance"], now["provenance"]
        if not (repaired and _without_identity(one) == _without_identity(other)):
            raise OutputError(
                f"{name} belongs to another plan ({difference(one, other)}); "
                f"resume with that one, or remove it and run anew."
            )
    return now | {
        "samples": _same_samples(begun.get("samples", []), now["samples"], plan, name),
        "libraries": now["libraries"] | begun.get("libraries", {}),
    }


def _without_identity(provenance: dict[str, Any]) -> dict[str, Any]:
    return provenance | {"source": None}


def check_libraries(begun: dict[str, Any], plan: Resumable, name: str) -> None:
    """Refuse to compute more of the finest level with what may give other last bits.

    Parameters
    ----------
    begun
        The manifest of the output.
    plan
        With which to go on.
    name
        What the user calls the output.

    Raises
    ------
    OutputError
        If it was begun with other libraries or on other hardware that matter.
    """
    for library, number in plan.made_with.items():
        before = begun.get("libraries", {}).get(library, number)
        if before != number:
            raise OutputError(
                f"{name} was begun with {library} {before}, whose last bits may differ from those "
                f"of {library} {number} here; resume it with that one, or remove it and run anew."
            )


def _same_samples(
    begun: list[int | None], now: list[int | None], plan: Resumable, name: str
) -> list[int | None]:
    """Return the samples, with those that could not be read before."""
    if not begun:
        return now
    for before, after, (_, box) in zip(begun, now, sample_places(plan.source), strict=True):
        if None not in (before, after) and before != after:
            y, x = box
            raise OutputError(
                f"The image has changed since {name} was begun: its pixels at "
                f"y {y.start}:{y.stop}, x {x.start}:{x.stop} are others; resume with the image as "
                f"it was, or remove {name} and run anew."
            )
    return [after if before is None else before for before, after in zip(begun, now, strict=True)]


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
