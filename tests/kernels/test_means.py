import numpy as np
import pytest

from napari_superpixels.kernels.ids import NODATA
from napari_superpixels.kernels.means import cell_means, cell_sums
from napari_superpixels.testing.strategies import make_codes


def sums_reference(codes, pixels, step):
    cells = tuple(-(-n // s) for n, s in zip(codes.shape, step, strict=True))
    counts = np.zeros(cells, np.int64)
    kind = np.float64 if pixels.dtype.kind == "f" or pixels.dtype.itemsize == 8 else np.int64
    sums = np.zeros((len(pixels), *cells), kind)
    for y, x in np.ndindex(codes.shape):
        code = int(codes[y, x])
        if code == NODATA:
            continue
        cell = (y // step[0] + code // 3 - 1, x // step[1] + code % 3 - 1)
        counts[cell] += 1
        for channel in range(len(pixels)):
            sums[(channel, *cell)] += kind(pixels[channel, y, x])
    return counts, sums


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize(
    ("shape", "step"), [((13, 17), (4, 5)), ((1, 1), (3, 3)), ((5, 1), (2, 7))]
)
@pytest.mark.parametrize("channels", [2, 3])
def test_equals_the_reference(dtype, shape, step, channels):
    rng = np.random.default_rng(3)
    codes = make_codes(rng, "random", shape, step)
    codes[rng.random(shape) < 0.2] = NODATA
    pixels = (rng.random((channels, *shape)) * 100).astype(dtype)
    counts, sums = cell_sums(codes, pixels, step)
    expected_counts, expected_sums = sums_reference(codes, pixels, step)
    assert counts.dtype == np.int64
    assert sums.dtype == expected_sums.dtype
    assert (counts == expected_counts).all()
    assert (sums == expected_sums).all()


def test_means_are_nan_without_pixels():
    codes = np.array([[4, 4, 3, 3]], np.uint8)
    pixels = np.array([[[1, 2, 3, 5]], [[0, 0, 0, 2]]], np.uint8)
    means = cell_means(*cell_sums(codes, pixels, (1, 2)))
    assert means.dtype == np.float32
    assert means.shape == (1, 2, 2)
    assert (means[0, 0] == [2.75, 0.5]).all()
    assert np.isnan(means[0, 1]).all()


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_sums_do_not_depend_on_the_window(dtype):
    rng = np.random.default_rng(4)
    step, shape = (4, 5), (32, 40)
    codes = make_codes(rng, "random", shape, step)
    pixels = (rng.standard_normal((3, *shape)) * 1000).astype(dtype)
    counts, sums = cell_sums(codes, pixels, step)
    part_counts, part_sums = cell_sums(codes[8:24, 10:35], pixels[:, 8:24, 10:35], step)
    assert (part_counts[1:-1, 1:-1] == counts[3:5, 3:6]).all()
    assert (part_sums[:, 1:-1, 1:-1] == sums[:, 3:5, 3:6]).all()


def test_strided_pixels():
    rng = np.random.default_rng(5)
    codes = make_codes(rng, "blobs", (12, 12), (4, 4))
    pixels = rng.integers(0, 255, (12, 12, 3), np.uint8)
    planar = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    _, strided = cell_sums(codes, pixels.transpose(2, 0, 1), (4, 4))
    assert np.array_equal(strided, cell_sums(codes, planar, (4, 4))[1])


@pytest.mark.parametrize(
    ("dtype", "value"), [("i8", 2**60), ("i8", -(2**60)), ("u8", 2**63), ("u8", 2**64 - 2**40)]
)
def test_means_of_64_bit_integers_do_not_wrap_around(dtype, value):
    codes = np.full((8, 8), 4, np.uint8)
    pixels = np.full((1, 8, 8), value, dtype)
    counts, sums = cell_sums(codes, pixels, (8, 8))
    assert sums.dtype == np.float64
    assert cell_means(counts, sums) == np.float32(value)
