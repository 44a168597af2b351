"""What a user asks for of instances, as a plan; and the plan of an unfinished output."""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from napari_superpixels.engine.instance_plan import (
    NAME,
    InstancePlan,
    Names,
    check_classes,
    make_instance_plan,
)
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.io import Source, reopen
from napari_superpixels.io.class_names import class_names
from napari_superpixels.labels.instances import InstanceSettings


def intended_instances(
    source: Source, settings: Mapping[str, Any], window: int | tuple[int, int] | None = None
) -> InstancePlan:
    """Return the plan of what is asked for.

    Parameters
    ----------
    source
        The class image.
    settings
        By name, as `InstanceSettings` has them; classes may be names, too.
    window
        Edge of a tile in pixels.

    Raises
    ------
    InputError
        If anything of it cannot be used.
    """
    known = [one.name for one in fields(InstanceSettings)]
    for name in settings:
        if name not in known:
            raise InputError(
                f"There is no setting {name!r} of instances; give some of {', '.join(known)}."
            )
    check_classes(source)
    names = class_names(source)
    wanted = dict(settings)
    if wanted.get("classes") is not None:
        wanted["classes"] = resolve_classes(wanted["classes"], names, source.name)
    return make_instance_plan(source, InstanceSettings(**wanted), names=names, window=window)


def resolve_classes(given: Any, names: Names, image: str) -> tuple[int, ...]:
    """Return the numbers of classes that are given by number or name: rising, each once.

    Raises
    ------
    InputError
        If there is no such class.
    """
    some = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    return tuple(sorted({_class_of(one, names, image) for one in some}))


def _class_of(one: Any, names: Names, image: str) -> int:
    by_name = {name: kind for kind, name in names}
    listed = ", ".join(f"{kind} ({name})" for kind, name in names)
    if isinstance(one, str) and one in by_name:
        return by_name[one]
    try:
        kind = int(one) if isinstance(one, str) else operator.index(one)
    except (TypeError, ValueError):
        known = f"; it has {listed}" if names else ", which names none; give their numbers"
        raise InputError(f"There is no class {one!r} in {image}{known}.") from None
    if names and kind and kind not in dict(names):
        raise InputError(f"There is no class {kind} in {image}; it has {listed}.")
    return kind


def instance_plan_of(out: Path) -> InstancePlan | None:
    """Return the plan with which unfinished instances were begun; None where it is no such output.

    Raises
    ------
    OutputError
        If its image was an array in memory.
    SourceError, InputError
        If its image is gone or broken.
    """
    state = RunState(partial_path(out))
    if out.exists() or not state.manifest_path.exists():
        return None
    manifest = state.read_manifest()
    made = manifest["provenance"]
    if made["method"]["name"] != NAME:
        return None
    if manifest["opened"] is None:
        raise OutputError(
            f"{out} was made from an array in memory, which cannot be found again; resume it from "
            f"Python with instances(image, out, resume=True)."
        )
    classes = made["method"]["settings"]["classes"]
    chosen = {"classes": None if classes is None else tuple(classes)}
    settings = InstanceSettings(**made["method"]["settings"] | chosen)
    names = tuple((one["id"], one["name"]) for one in made["classes"])
    tile, chunk = ((y, x) for y, x in (made["tile_px"], made["chunk_px"]))
    return InstancePlan(reopen(manifest["opened"]), settings, names, tile, chunk)


def check_threads_only(out: object, *, client: object, device: str | None) -> None:
    """Refuse other means than threads of this process.

    Raises
    ------
    InputError
        If there are others.
    """
    for name, value in (("a cluster", client), (f"the device {device!r}", device)):
        if value is not None:
            raise InputError(
                f"{out} holds instances, which are found by threads of one process and not on "
                f"{name}; resume it without."
            )
