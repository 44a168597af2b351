"""Colours of labels: neighbours differ, however wide the lattice is.

napari gives the label i the colour number (i - 1) mod n + 1 of n colours. Ids are arithmetic, so
the numbers of two cells that lie (dr, dc) apart differ by dr * GW + dc everywhere, mod n. With
colours on two circles, one of hues and one of tones, walked in steps of a and b places, the
distance of two colours depends on that difference alone: n, a and b are chosen for it.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray

COUNTS = range(96, 255)
"""Possible numbers of colours: napari maps up to 254 to one byte a pixel."""

NEXT, REACH, ABOVE = 1, 3, 2
"""Cells along one axis between superpixels that lie side by side, that may touch at all (each stays
in 3 x 3 cells), and that may lie one over the other in neighbouring planes."""

HUE_CHORD, TONE_CHORD = 60.0, 14.0
"""Radius of the two circles in CIE Lab, roughly."""

SATURATION, VALUE = (0.72, 0.22), (0.84, 0.13)
"""Centre of the circle of tones, and its half axes."""


def superpixel_colours(cells: tuple[int, int], planes: int = 1) -> CyclicLabelColormap:
    """Return colours for the labels of a lattice, the same for the same lattice.

    Parameters
    ----------
    cells
        Cells along y and x of the whole lattice (not of a region: ids are those of the whole).
    planes
        Number of (t, z) planes.

    Returns
    -------
    CyclicLabelColormap
        At most 254 colours and transparent for 0.
    """
    count, hue_step, tone_step = choose_steps(*differences(cells, planes))
    rgba = np.ones((count + 1, 4), np.float32)
    rgba[0] = 0
    rgba[1:, :3] = _colours(count, hue_step, tone_step)
    return CyclicLabelColormap(colors=rgba, name="superpixels", display_name="superpixels")


def class_colours(rgba: Mapping[int, Sequence[int]]) -> CyclicLabelColormap:
    """Return the colours of classes: as many as the highest id, so that none comes round again.

    Parameters
    ----------
    rgba
        Four bytes for each id; ids without any, and 0, are transparent.
    """
    colours = np.zeros((max(rgba, default=0) + 1, 4), np.float32)
    for number, colour in rgba.items():
        colours[number] = np.asarray(colour, np.float32) / 255
    colours[0] = 0
    return CyclicLabelColormap(colors=colours, name="classes", display_name="classes")


def differences(cells: tuple[int, int], planes: int) -> tuple[list[int], list[int]]:
    """Return by how much ids differ in cells side by side, and in cells that may touch."""
    height, width = cells
    plane = height * width
    touching = set(_within(cells, REACH))
    if planes > 1:
        touching |= {plane + d * sign for d in _within(cells, ABOVE) for sign in (1, -1)} | {plane}
    return sorted(_within(cells, NEXT)), sorted(d for d in touching if d > 0)


def choose_steps(beside: Sequence[int], touching: Sequence[int]) -> tuple[int, int, int]:
    """Return how many colours there are, and the steps on the circles of hues and tones.

    Parameters
    ----------
    beside
        Differences of ids whose colours must be as far apart as can be.
    touching
        Differences whose colours must not be the same.
    """
    counts = np.array(COUNTS)[:, None]
    steps = np.arange(1, COUNTS.stop // 2)[None]
    far = np.minimum(_apart(beside, counts, steps), 10 * _apart(touching, counts, steps))
    row, column = np.unravel_index(int(np.argmax(far)), far.shape)
    count, hue_step = int(counts[row, 0]), int(steps[0, column])
    tones = np.arange(1, count // 2 + 1)
    distance = np.full(tones.size, np.inf)
    for difference in touching:
        hue = HUE_CHORD * _chord(difference, count, np.array(hue_step))
        tone = TONE_CHORD * _chord(difference, count, tones)
        distance = np.minimum(distance, np.hypot(hue, tone))
    return count, hue_step, int(tones[np.argmax(distance)])


def _within(cells: tuple[int, int], reach: int) -> Iterable[int]:
    """Yield the differences of ids, above 0, of cells up to `reach` apart along each axis."""
    height, width = cells
    rows, columns = min(reach, height - 1), min(reach, width - 1)
    for row in range(rows + 1):
        for column in range(-columns, columns + 1):
            if row * width + column > 0:
                yield row * width + column


def _apart(
    differences: Sequence[int], counts: NDArray[np.int64], steps: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the shortest way round the circle, in turns, over all differences."""
    nearest = np.full(np.broadcast_shapes(counts.shape, steps.shape), 0.5)
    for difference in differences:
        ahead = difference % counts * steps % counts
        np.minimum(nearest, np.minimum(ahead, counts - ahead) / counts, out=nearest)
    return nearest


def _chord(difference: int, count: int, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the straight distance of two places on a circle of radius 1."""
    chord: NDArray[np.float64] = 2 * np.sin(np.pi * (difference % count * steps % count) / count)
    return chord


def _colours(count: int, hue_step: int, tone_step: int) -> NDArray[np.float64]:
    """Return the colours, shape (count, 3), as 8 bits can express them."""
    places = np.arange(count)
    hue = places * hue_step % count / count
    turn = 2 * np.pi * (places * tone_step % count) / count
    saturation = SATURATION[0] + SATURATION[1] * np.sin(turn)
    value = VALUE[0] + VALUE[1] * np.cos(turn)
    return np.round(_hsv_to_rgb(hue, saturation, value) * 255) / 255


def _hsv_to_rgb(
    hue: NDArray[np.float64], saturation: NDArray[np.float64], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    sector = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    fall = np.clip(np.minimum(sector, 4 - sector), 0, 1)
    rgb: NDArray[np.float64] = value[:, None] * (1 - saturation[:, None] * fall)
    return rgb
