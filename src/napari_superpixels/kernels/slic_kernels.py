# mypy: disallow_untyped_defs=False
"""The loops of SLIC: sums of own cells, centres, associations, distances of chosen pixels."""

import numpy as np
from numba import njit

from napari_superpixels.kernels.cells import ABSENT
from napari_superpixels.kernels.cone import NONE


@njit(nogil=True, cache=True)
def own_sums(features, codes, table, sums, start, stop):  # pragma: no cover
    channels, pixels = features.shape[2:]
    for r in range(start, stop):
        for c in range(features.shape[1]):
            for p in range(pixels):
                if codes[r, c, p] != ABSENT:
                    for i in range(channels):
                        sums[r, c, i] += features[r, c, i, p]
                    sums[r, c, channels] += table[0, p]
                    sums[r, c, channels + 1] += table[1, p]
                    sums[r, c, channels + 2] += 1


@njit(nogil=True, cache=True)
def update(sums, centres, left, right, top, bottom):  # pragma: no cover
    last = centres.shape[2]
    for r in range(top, bottom):
        for c in range(left, right):
            n = sums[r, c, last]
            if n > 0:
                for i in range(last):
                    centres[r, c, i] = (2 * sums[r, c, i] + n) // (2 * n)


@njit(nogil=True, cache=True)
def _weigh(centres, alive, position, r, c, weights, base):  # pragma: no cover
    """|f - c|^2 - |f|^2 = base + sum(weights * f), per candidate."""
    channels = centres.shape[2] - 2
    for code in range(9):
        dr, dc = code // 3 - 1, code % 3 - 1
        rr, cc = r + dr, c + dc
        weights[code] = 0
        base[code] = NONE
        if 0 <= rr < centres.shape[0] and 0 <= cc < centres.shape[1] and alive[rr, cc]:
            total = np.int32(0)
            for i in range(channels + 2):
                value = centres[rr, cc, i]
                if i == channels:
                    value += dr * position
                elif i == channels + 1:
                    value += dc * position
                weights[code, i] = -2 * value
                total += value * value
            base[code] = total


@njit(nogil=True, cache=True)
def _nearest(features, table, weights, base, best, codes):  # pragma: no cover
    channels, pixels = features.shape
    best[:] = NONE
    for code in range(9):
        w, b = weights[code], base[code]
        for p in range(pixels):
            value = b + w[channels] * table[0, p] + w[channels + 1] * table[1, p]
            for i in range(channels):
                value += w[i] * np.int32(features[i, p])
            if value < best[p]:
                best[p] = value
                codes[p] = code


@njit(nogil=True, cache=True)
def _move(features, table, position, old, new, change):  # pragma: no cover
    """Take pixels that changed their code out of one cell's sums and into another's."""
    channels = features.shape[0]
    for p in range(old.shape[0]):
        before, after = old[p], new[p]
        if before != after and before != ABSENT:
            old[p] = after
            for sign, code in ((-1, before), (1, after)):
                dr, dc = np.int64(code) // 3 - 1, np.int64(code) % 3 - 1
                for i in range(channels):
                    change[code, i] += sign * features[i, p]
                change[code, channels] += sign * (table[0, p] - dr * position)
                change[code, channels + 1] += sign * (table[1, p] - dc * position)
                change[code, channels + 2] += sign


@njit(nogil=True, cache=True)
def associate(data, table, position, box, changes):  # pragma: no cover
    features, codes, centres, alive = data
    top, bottom, left, right = box
    channels, pixels = features.shape[2:]
    weights = np.empty((9, channels + 2), np.int32)
    base = np.empty(9, np.int32)
    best = np.empty(pixels, np.int32)
    new = np.empty(pixels, np.uint8)
    change = np.zeros((9, channels + 3), np.int64)
    for r in range(top, bottom):
        for c in range(left, right):
            _weigh(centres, alive, position, r, c, weights, base)
            _nearest(features[r, c], table, weights, base, best, new)
            change[:] = 0
            _move(features[r, c], table, position, codes[r, c], new, change)
            for code in range(9):
                rr, cc = r - top + code // 3, c + code % 3 - 1
                if base[code] != NONE:
                    changes[rr, cc] += change[code]


@njit(nogil=True, cache=True)
def cost(data, tables, position, frame, index, code, out):  # pragma: no cover
    features, codes, centres, alive = data
    sy, sx = tables[0].shape[0], tables[1].shape[0]
    channels = features.shape[2]
    for n in range(index.shape[0]):
        y, x = index[n] // frame[2], index[n] % frame[2]
        r, c, u, v = y // sy + frame[0], x // sx + frame[1], y % sy, x % sx
        p = u * sx + v
        dr, dc = np.int64(code[n]) // 3 - 1, np.int64(code[n]) % 3 - 1
        rr, cc = r + dr, c + dc
        out[n] = NONE
        if 0 <= rr < centres.shape[0] and 0 <= cc < centres.shape[1] and alive[rr, cc]:
            total = (tables[0][u] - dr * position - centres[rr, cc, channels]) ** 2
            total += (tables[1][v] - dc * position - centres[rr, cc, channels + 1]) ** 2
            if codes[r, c, p] != ABSENT:
                for i in range(channels):
                    total += (np.int64(features[r, c, i, p]) - centres[rr, cc, i]) ** 2
            out[n] = total
