"""Spacing, unit, origin and channel names: OME-XML, Aperio, ImageJ, and resolution tags."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

import tifffile

from napari_superpixels.io._reader import Calibration

UNITS = {
    "µm": "micrometer",
    "μm": "micrometer",
    "um": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "pm": "picometer",
    "Å": "angstrom",
    "in": "inch",
    "inch": "inch",
    "s": "second",
    "sec": "second",
    "ms": "millisecond",
    "µs": "microsecond",
    "min": "minute",
    "h": "hour",
}
"""Abbreviations, as NGFF spells them."""

CENTIMETER_TAG = 3
"""ResolutionUnit of files whose resolution is a real one; inches are mostly a printer's 72 dpi."""

Known = dict[str, Calibration]


def calibrate(
    tiff: tifffile.TiffFile,
    index: int,
    letters: str,
    finest: tuple[int, ...],
    shape: tuple[int, ...],
) -> tuple[Known, tuple[str, ...]]:
    """Return the calibration of a level by letter, and sentences about where it comes from.

    Parameters
    ----------
    tiff
        The open file.
    index
        Number of its chosen series.
    letters
        One letter an axis.
    finest, shape
        Sizes of the finest and of the chosen level.
    """
    known, notes = _of_finest(tiff, index)
    factors = {a: level_factor(n, m) for a, n, m in zip(letters, finest, shape) if a in "zyx"}
    if max(factors.values()) > 1:
        known = {a: known.get(a, Calibration()) for a in {*known, *factors}}
    scaled = {a: one.coarser(factors.get(a, 1.0)) for a, one in known.items()}
    return scaled, notes


def level_factor(finest: int, size: int) -> float:
    """Return how many samples of the finest level one of a level of `size` stands for.

    Sizes of levels are rounded up or down, so a whole number is preferred where it explains them.
    """
    whole = max(1, round(finest / size))
    return float(whole) if finest // whole <= size <= -(-finest // whole) else finest / size


def _of_finest(tiff: tifffile.TiffFile, index: int) -> tuple[Known, tuple[str, ...]]:
    page = tiff.series[index].keyframe
    if tiff.is_svs:
        return _aperio(page.description), ()
    if tiff.is_ome and tiff.ome_metadata:
        return _ome(tiff.ome_metadata, index), ()
    if tiff.is_imagej:
        return _imagej(tiff.imagej_metadata or {}, page), ()
    known = _resolution(page)
    if not known:
        return {}, ()
    return known, ("spacing of y and x taken from the resolution tag of the file",)


def _aperio(description: str) -> Known:
    found = re.search(r"\bMPP\s*=\s*([0-9.]+)", description)
    if not found or not float(found[1]) > 0:
        return {}
    one = Calibration(float(found[1]), "micrometer")
    return {"y": one, "x": one}


def channel_names(tiff: tifffile.TiffFile, index: int) -> tuple[str, ...]:
    """Return what an OME-TIFF calls the channels of a series; empty for other files."""
    if not tiff.is_ome or not tiff.ome_metadata:
        return ()
    pixels = _ome_pixels(tiff.ome_metadata, index)
    channels = pixels.findall("{*}Channel") if pixels is not None else []
    return tuple(channel.get("Name", "") for channel in channels)


def _ome_pixels(xml: str, index: int) -> ElementTree.Element | None:
    try:
        pixels = ElementTree.fromstring(xml).findall(".//{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        return None
    return pixels[min(index, len(pixels) - 1)] if pixels else None


def _ome(xml: str, index: int) -> Known:
    pixels = _ome_pixels(xml, index)
    attributes = pixels.attrib if pixels is not None else {}
    known: Known = {}
    for letter in "xyz":
        name = f"PhysicalSize{letter.upper()}"
        known |= _one(letter, attributes.get(name), attributes.get(f"{name}Unit", "µm"))
    increment, unit = attributes.get("TimeIncrement"), attributes.get("TimeIncrementUnit", "s")
    return known | _one("t", increment, unit)


def _imagej(metadata: Mapping[str, Any], page: tifffile.TiffPage) -> Known:
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    known: Known = {}
    if unit and unit != "pixel":
        for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
            per_unit = _rational(page, tag)
            known |= _one(letter, 1 / per_unit if per_unit else None, unit)
        known |= _one("z", metadata.get("spacing"), unit)
    return known | _one("t", metadata.get("finterval"), "s")


def _resolution(page: tifffile.TiffPage) -> Known:
    tag = page.tags.get("ResolutionUnit")
    if tag is None or tag.value != CENTIMETER_TAG:
        return {}
    known: Known = {}
    for letter, name in (("x", "XResolution"), ("y", "YResolution")):
        per_centimeter = _rational(page, name)
        known |= _one(letter, 1e4 / per_centimeter if per_centimeter else None, "micrometer")
    return known


def _rational(page: tifffile.TiffPage, name: str) -> float:
    tag = page.tags.get(name)
    if tag is None:
        return 0.0
    numerator, denominator = tag.value if isinstance(tag.value, tuple) else (tag.value, 1)
    return float(numerator) / denominator if denominator else 0.0


def _one(letter: str, spacing: Any, unit: str) -> Known:
    """Return a calibration if the spacing is a positive number, else nothing."""
    try:
        value = float(spacing)
    except (TypeError, ValueError):
        return {}
    return {letter: Calibration(value, UNITS.get(unit, unit))} if value > 0 else {}
