"""The method slic: its settings, its features, and tiles that agree with the whole image."""

import pickle
import time
import tracemalloc

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.connectivity import connect
from napari_superpixels.kernels.features import Quanta, channel_features
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.kernels.slic_reference import slic_reference
from napari_superpixels.models.protocol import ImageFacts, Tile
from napari_superpixels.models.slic import Slic
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

UNCUT = ((False, False), (False, False))


def beat():
    """A pulse that lets the work go on."""


def picture(shape, channels=3, seed=0, dtype=np.uint8):
    """Coarse blocks with noise, interleaved as images are read, as (C, Y, X)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 200, (shape[0] // 6 + 1, shape[1] // 6 + 1, channels))
    blocks = np.kron(coarse, np.ones((6, 6, 1), int))[: shape[0], : shape[1]]
    return np.moveaxis((blocks + rng.integers(-25, 26, blocks.shape)).astype(dtype), -1, 0)


def facts(pixels, rgb):
    return ImageFacts(channels=len(pixels), dtype=pixels.dtype, rgb=rgb)


def statistics(pixels):
    values = pixels.reshape(len(pixels), -1).astype(float)
    low, high = np.nanpercentile(values, [1, 99], axis=1)
    return Statistics(
        low=tuple(low),
        high=tuple(high),
        minimum=tuple(np.nanmin(values, axis=1)),
        maximum=tuple(np.nanmax(values, axis=1)),
        joint_low=float(np.nanpercentile(values, 1)),
        joint_high=float(np.nanpercentile(values, 99)),
    )


def model_of(method, pixels, rgb=False):
    image = facts(pixels, rgb)
    measured = statistics(pixels) if method.needs_statistics(image) else None
    return method.model(image, measured)


def whole(pixels, step, valid=None):
    cells = Lattice(pixels.shape[1:], (step, step)).cells
    return Tile(pixels=pixels, valid=valid, step=(step, step), cut=UNCUT, wanted=Box.whole(cells))


def assign(method, pixels, rgb=False, valid=None, threads=1):
    model = model_of(method, pixels, rgb)
    return model(whole(pixels, method.step, valid), threads=threads, pulse=beat)


def plainly(features, valid, method):
    """The same from the references of features and clustering."""
    step = (method.step, method.step)
    position = Quanta.for_compactness(method.compactness).position
    plain = slic_reference(features, valid, step, position, method.iterations)
    distances = plain.distances.reshape(9, -1)
    return connect(plain.codes, valid, step, lambda index, code: distances[code, index])


def test_rgb_of_8_bits_is_lab():
    method, pixels = Slic(step=8, iterations=4), picture((61, 70))
    wanted = plainly(rgb_to_lab(pixels, 15), None, method)
    np.testing.assert_array_equal(assign(method, pixels, rgb=True), wanted)
    assert len(np.unique(wanted)) > 3


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_channels_are_scaled_by_their_percentiles(channels, dtype):
    method = Slic(step=8, iterations=3, compactness=20)
    pixels = picture((40, 50), channels, dtype=dtype)
    measured = statistics(pixels)
    features = channel_features(pixels, measured.low, measured.high, Quanta.for_compactness(20))
    np.testing.assert_array_equal(assign(method, pixels), plainly(features, None, method))


@pytest.mark.parametrize("factor", [1, 257])
def test_rgb_of_more_bits_is_stretched_first(factor):
    method = Slic(step=8)
    pixels = picture((40, 50)).astype(np.uint16) * factor
    measured = statistics(pixels)
    span = measured.joint_high - measured.joint_low
    stretched = np.rint(np.clip(255 * ((pixels - measured.joint_low) / span), 0, 255))
    features = rgb_to_lab(stretched.astype(np.uint8), 15)
    np.testing.assert_array_equal(assign(method, pixels, rgb=True), plainly(features, None, method))


def test_a_constant_image_and_a_nearly_constant_one():
    flat = np.full((1, 32, 40), 7, np.uint16)
    assert (assign(Slic(step=8), flat) == 4).all()
    # One pixel in a thousand is brighter: both percentiles agree, so the extremes count.
    spot = flat.copy()
    spot[0, 20:22, 20] = 9
    measured = statistics(spot)
    assert measured.low == measured.high
    method = Slic(step=8, iterations=2, compactness=1)
    features = channel_features(spot, [7], [9], Quanta.for_compactness(1))
    np.testing.assert_array_equal(assign(method, spot), plainly(features, None, method))


def test_booleans_are_zero_and_one():
    mask = picture((40, 50), 1) > 110
    method = Slic(step=8)
    np.testing.assert_array_equal(assign(method, mask), assign(method, mask.view(np.uint8)))


def test_pixels_that_are_no_numbers_hold_no_data():
    method, pixels = Slic(step=8, iterations=3), picture((40, 50), 2, dtype=np.float32)
    pixels[0, 3:9, 5] = np.nan
    pixels[1, 30, 20:29] = np.inf
    valid = np.isfinite(pixels).all(axis=0)
    clean = np.where(valid, pixels, 0).astype(np.float32)
    model = model_of(method, clean)
    wanted = model(whole(clean, 8, valid), pulse=beat)
    np.testing.assert_array_equal(model(whole(pixels, 8), pulse=beat), wanted)
    np.testing.assert_array_equal(wanted == 255, ~valid)


def test_an_image_without_any_data():
    pixels = np.full((1, 20, 20), np.nan, np.float32)
    model = Slic(step=8).model(facts(pixels, False), statistics(np.zeros((1, 2, 2))))
    assert (model(whole(pixels, 8), pulse=beat) == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (7, 7), (8, 8), (9, 17)])
def test_any_size(shape):
    codes = assign(Slic(step=8), picture(shape), rgb=True)
    assert codes.shape == shape
    assert codes.max() <= 8


@pytest.mark.parametrize("masked", [False, True])
def test_tiles_agree_with_the_whole_image(masked):
    method, pixels = Slic(step=4, iterations=2), picture((170, 190), seed=3)
    valid = np.random.default_rng(4).random(pixels.shape[1:]) > 0.2 if masked else None
    everything = assign(method, pixels, True, valid)
    lattice = Lattice(pixels.shape[1:], (4, 4))
    model, limits = model_of(method, pixels, rgb=True), Box.whole(lattice.cells)
    for wanted in (Box.of((0, 9), (12, 13)), Box.of((17, 25), (20, 31)), Box.of((40, 43), (0, 48))):
        read = Box(tuple(side.grow(method.halo_cells) for side in wanted)).clip(limits)
        part = lattice.to_pixels(read).slices
        tile = Tile(
            pixels=pixels[:, *part],
            valid=None if valid is None else valid[part],
            step=(4, 4),
            cut=tuple((a.start > 0, a.stop < n) for a, n in zip(read, lattice.cells, strict=True)),
            wanted=wanted.relative_to(read),
        )
        for threads in (1, 2):
            codes = model(tile, threads=threads, pulse=beat)
            np.testing.assert_array_equal(codes, everything[lattice.to_pixels(wanted).slices])


def test_a_halo_that_is_too_short_is_noticed():
    method, pixels = Slic(step=4, iterations=2), picture((60, 60))
    cut = ((True, True), (True, True))
    tile = Tile(pixels=pixels, valid=None, step=(4, 4), cut=cut, wanted=Box.of((7, 8), (7, 8)))
    with pytest.raises(AssertionError, match="halo is too small"):
        model_of(method, pixels, rgb=True)(tile, pulse=beat)


def test_the_model_can_be_pickled():
    method, pixels = Slic(step=8, iterations=2), picture((40, 50), dtype=np.uint16)
    model = model_of(method, pixels)
    again = pickle.loads(pickle.dumps(model))
    assert again == model
    tile = whole(pixels, 8)
    np.testing.assert_array_equal(again(tile, pulse=beat), model(tile, pulse=beat))
    assert pickle.loads(pickle.dumps(method)) == method


@pytest.mark.parametrize(("rgb", "dtype"), [(True, "uint8"), (True, "float64"), (False, "uint16")])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_projected_memory_is_an_upper_bound(rgb, dtype, threads):
    method, pixels = Slic(step=16, iterations=3), picture((700, 600), dtype=dtype)
    model = model_of(method, pixels, rgb)
    tile = whole(pixels, 16)
    model(tile, threads=threads, pulse=beat)
    tracemalloc.start()
    codes = model(tile, threads=threads, pulse=beat)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - codes.nbytes <= model.bytes_for((700, 600))


def test_the_projected_memory_holds_for_any_number_of_threads():
    """A hundred rows of cells, so that each of the threads has its own band to connect."""
    method, pixels = Slic(step=16, iterations=2), picture((2560, 160), dtype="uint8")
    model, tile = model_of(method, pixels, True), whole(pixels, 16)

    def wait():
        time.sleep(0.01)  # so that the threads, which pulse too, hold their memory together

    model(tile, threads=64, pulse=wait)
    for threads in (64,):
        tracemalloc.start()
        codes = model(tile, threads=threads, pulse=wait)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak - codes.nbytes <= model.bytes_for((2560, 160))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_pulse_that_raises_ends_the_work(threads):
    class StopNowError(Exception):
        pass

    def pulse():
        raise StopNowError

    pixels = picture((60, 60))
    with pytest.raises(StopNowError):
        model_of(Slic(step=8), pixels, rgb=True)(whole(pixels, 8), threads=threads, pulse=pulse)


def test_declarations():
    method = Slic()
    assert (method.name, method.revision, method.align_cells) == ("slic", 1, 1)
    assert not method.fixed_windows
    assert (method.step, method.iterations) == (16, 10)
    assert method.compactness == 12.5
    assert method.halo_cells == 24
    assert Slic(iterations=5).halo_cells == 14
    eight, sixteen = np.dtype(np.uint8), np.dtype(np.uint16)
    assert not method.needs_statistics(ImageFacts(channels=3, dtype=eight, rgb=True))
    assert method.needs_statistics(ImageFacts(channels=3, dtype=eight, rgb=False))
    assert method.needs_statistics(ImageFacts(channels=3, dtype=sixteen, rgb=True))


WRONG = [
    *[{"step": value} for value in (1, 0, -4, 2.5, 16.0, True, "16", None, 10_000)],
    *[{"iterations": value} for value in (0, -1, 1.5, True, "3", None)],
    *[{"compactness": value} for value in (0, -1.0, 5000, float("nan"), float("inf"), True, "9")],
]


@pytest.mark.parametrize("setting", WRONG, ids=str)
def test_settings_that_cannot_be_used(setting):
    (name, value), *_ = setting.items()
    with pytest.raises(InputError) as caught:
        Slic(**setting)
    message = str(caught.value)
    assert name in message
    assert repr(value) in message
    assert "must be" in message


def test_samples_that_are_no_real_numbers():
    with pytest.raises(InputError, match="complex64"):
        Slic().model(ImageFacts(channels=1, dtype=np.dtype(np.complex64), rgb=False), None)
