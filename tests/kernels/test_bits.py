"""Vector operations on 64 bytes equal plain numpy."""

import numpy as np
import pytest

from napari_superpixels.kernels import bits
from napari_superpixels.kernels.bits import WORD
from napari_superpixels.kernels.jit import kernel


@kernel()
def compare(first, i, second, j):
    return bits.equal(first, i, second, j)


@kernel()
def mark(line, i, kept, weak, free, pending):
    bits.mark(line, i, kept, weak, np.uint8(free), np.uint8(pending))


@kernel()
def tag(codes, i, columns, row, tags, j):
    bits.tag(codes, i, columns, np.uint8(row), tags, j)


@kernel()
def ends(word):
    return bits.trailing_zeros(word), bits.count_ones(word)


def word_of(flags):
    """The first flag becomes the lowest bit."""
    return np.uint64(sum(1 << i for i, flag in enumerate(flags) if flag))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("places", [(0, 0), (1, 0), (0, 1), (13, 64), (64, 63)])
def test_equal(rng, places):
    first, second = rng.integers(0, 3, (2, 2 * WORD)).astype(np.uint8)
    i, j = places
    expected = word_of(first[i : i + WORD] == second[j : j + WORD])
    assert compare(first, i, second, j) == expected


def test_equal_knows_large_bytes():
    high = np.full(WORD, 255, np.uint8)
    assert compare(high, 0, high, 0) == 2**64 - 1
    assert compare(high, 0, high & 127, 0) == 0


def test_mark(rng):
    line = rng.integers(0, 9, 3 * WORD).astype(np.uint8)
    kept, weak = rng.random((2, WORD)) < 0.5
    expected = line.copy()
    part = expected[5 : 5 + WORD]
    part[:] = np.where(kept, part + 16 * weak, 254)
    mark(line, 5, word_of(kept), word_of(weak), 254, 16)
    np.testing.assert_array_equal(line, expected)


def test_tag(rng):
    """Equal tags mean equal labels among neighbours: rows and columns of labels modulo 4."""
    codes = rng.integers(0, 9, WORD).astype(np.uint8)
    columns = rng.integers(0, 50, WORD)
    tags = np.zeros(WORD + 3, np.uint8)
    for row in range(6):
        tag(codes, 0, (columns % 4).astype(np.uint8), row % 4 * 16, tags, 3)
        expected = (row + codes // 3) % 4 * 16 + (columns + codes % 3) % 4
        np.testing.assert_array_equal(tags[3:], expected)


@pytest.mark.parametrize("word", [1, 2, 0x8000000000000000, 0xF0, 2**64 - 1, 0x1234560000000000])
def test_ends(word):
    zeros, ones = ends(np.uint64(word))
    assert zeros == (word & -word).bit_length() - 1
    assert ones == word.bit_count()
