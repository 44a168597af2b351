"""What Triton's kernels give is what the processor's give, bit for bit.

On a graphics card if there is one, else in Triton's interpreter, which takes about 50 ms a cell and
association: images are as small as the cases allow.
"""

from subprocess import CalledProcessError

import numpy as np
import pytest
import torch

from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.cells import Frame
from napari_superpixels.kernels.cone import WHOLE
from napari_superpixels.kernels.cuda.memory import device_bytes
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.kernels.slic import slic
from napari_superpixels.kernels.soft import soft_slic
from napari_superpixels.models import compute as computing
from napari_superpixels.models import on_cuda, ssn
from napari_superpixels.models.compute import Compute
from napari_superpixels.models.protocol import ImageFacts, Tile
from napari_superpixels.models.slic import Slic
from napari_superpixels.models.ssn import Ssn
from napari_superpixels.models.ssn_pix import SsnPix
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.testing.weights import write_random_weights
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

QUANTA = Quanta.for_compactness(9.6)
START, STOP = (True, False), (False, True)


def nothing():
    pass


def blocks(channels, shape, spread=600):
    """Noise on blocks, so that clusters move and pixels are contested."""
    rng = np.random.default_rng(channels)
    coarse = rng.integers(-spread, spread, (channels, *(n // 4 + 1 for n in shape)))
    image = np.kron(coarse, np.ones((1, 4, 4), int))[:, : shape[0], : shape[1]]
    return (image + rng.integers(-spread // 4, spread // 4, image.shape)).astype(np.int16)


def holes(shape, share):
    return None if share is None else np.random.default_rng(5).random(shape) >= share


def on_card(card, samples, valid, step, iterations, soft=False, cut=WHOLE, features=None):
    """Cluster in the kernels."""
    frame = Frame(Lattice(samples.shape[1:], step), len(samples), QUANTA.position)
    features = samples if features is None else features
    job = on_cuda.Job(frame, iterations, cut, QUANTA.color, soft, lambda y, x: features[:, y, x])
    return on_cuda.cluster_tile(samples, valid, job, card, nothing)


def on_processor(features, valid, step, iterations, soft=False, cut=WHOLE):
    with banded(1, nothing) as bands:
        if soft:
            return soft_slic(features, valid, step, QUANTA, iterations, cut=cut, bands=bands)
        return slic(features, valid, step, QUANTA.position, iterations, cut=cut, bands=bands)


def assert_equal(found, wanted):
    """Codes, centres, and costs of every pixel to every candidate."""
    assert found.exact == wanted.exact
    assert found.complete == wanted.complete
    inner = found.exact.slices
    with banded(1, nothing) as bands:
        codes = [each.codes(each.exact, bands) for each in (found, wanted)]
    np.testing.assert_array_equal(*codes)
    np.testing.assert_array_equal(found.values[1:-1, 1:-1][inner], wanted.centres[inner])
    np.testing.assert_array_equal(found.candidate[1:-1, 1:-1][inner], wanted.alive[inner])
    index = np.arange(codes[0].size)
    for code in range(9):
        asked = index, np.full(len(index), code, np.uint8)
        costs = [each.cost(each.exact)(*asked) for each in (found, wanted)]
        np.testing.assert_array_equal(*costs)


CASES = [
    # shape, step, channels, share without data, associations, cut
    ((23, 17), (9, 7), 3, None, 3, WHOLE),
    ((14, 13), (5, 6), 1, 0.3, 3, WHOLE),
    ((9, 21), (8, 8), 2, 0.6, 2, WHOLE),
    ((24, 20), (4, 4), 4, None, 2, (START, STOP)),
    ((1, 1), (2, 3), 3, None, 2, WHOLE),
    ((37, 20), (19, 18), 7, 0.1, 2, WHOLE),  # two programs a cell
    ((6, 6), (3, 3), 1, 1.0, 2, WHOLE),
]


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize(("shape", "step", "channels", "share", "associations", "cut"), CASES)
def test_kernels_equal_the_processors(card, shape, step, channels, share, associations, cut, soft):
    features, valid = blocks(channels, shape), holes(shape, share)
    found = on_card(card, features, valid, step, associations, soft, cut)
    assert_equal(found, on_processor(features, valid, step, associations, soft, cut))


def test_a_mask_by_columns_is_read_by_rows(card):
    """As of an image whose columns come first."""
    features, valid = blocks(1, (5, 9)), holes((5, 9), 0.4)
    found = on_card(card, features, np.asfortranarray(valid), (5, 5), 1)
    assert_equal(found, on_processor(features, valid, (5, 5), 1))


@pytest.mark.parametrize(
    "laid",
    [
        np.asfortranarray,
        lambda mask: np.repeat(mask, 2, axis=1)[:, ::2],
        lambda mask: np.ascontiguousarray(mask[::-1])[::-1],
        lambda mask: np.ascontiguousarray(mask),
    ],
    ids=["columns", "sliced", "turned", "rows"],
)
def test_a_mask_lies_row_by_row_on_the_card(card, laid):
    valid = holes((7, 9), 0.4)
    found = on_cuda.marked(torch.zeros((1, 7, 9), dtype=torch.int16, device=card), laid(valid))
    assert found.valid.is_contiguous()
    np.testing.assert_array_equal(found.valid.cpu().numpy(), valid)


def test_centres_that_rest_keep_their_records(card):
    """A cell that is skipped, since none of its candidates moved, still counts."""
    features = np.zeros((1, 12, 24), np.int16)
    features[:, :, 11:] = 900
    found = on_card(card, features, None, (6, 6), 5)
    assert_equal(found, on_processor(features, None, (6, 6), 5))


@pytest.mark.parametrize("interleaved", [False, True])
def test_colours_are_those_of_the_processor(card, interleaved):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (16, 19, 3), dtype=np.uint8)
    image[0, :3] = [[0, 0, 0], [255, 255, 255], [9, 9, 10]]
    planes = np.moveaxis(image, -1, 0)
    samples = planes if interleaved else np.ascontiguousarray(planes)
    lab = rgb_to_lab(planes, QUANTA.color)
    found = on_card(card, samples, None, (8, 8), 2, features=lab)
    assert_equal(found, on_processor(lab, None, (8, 8), 2))


FACTS = ImageFacts(channels=3, dtype=np.dtype(np.uint8), rgb=True)


def tile_of(pixels, valid=None, step=8):
    cells = Lattice(pixels.shape[1:], (step, step)).cells
    return Tile(pixels=pixels, valid=valid, step=(step, step), cut=WHOLE, wanted=Box.whole(cells))


def on_this(monkeypatch, card):
    """Have models take the card, or the interpreter, for what a plan calls cuda."""
    monkeypatch.setattr("napari_superpixels.models.clustering.kernels_device", lambda _: card)


@pytest.mark.parametrize("method", [Slic(step=8, iterations=2), SsnPix(step=8, iterations=2)])
@pytest.mark.parametrize("masked", [False, True])
def test_models_give_the_same_bytes_everywhere(card, monkeypatch, method, masked):
    image = np.random.default_rng(2).integers(0, 256, (3, 20, 17), dtype=np.uint8)
    valid = holes(image.shape[1:], 0.2) if masked else None
    model = method.model(FACTS, None)
    wanted = model(tile_of(image, valid), pulse=nothing)
    on_this(monkeypatch, card)
    found = model.on(Compute())(tile_of(image, valid), pulse=nothing)
    np.testing.assert_array_equal(found, wanted)


def test_other_samples_than_colours_do_too(card, monkeypatch):
    image = np.random.default_rng(3).normal(size=(2, 15, 18)).astype(np.float32)
    image[0, 3, 4] = np.nan
    facts = ImageFacts(channels=2, dtype=image.dtype, rgb=False)
    statistics = Statistics((-2.0, -2.0), (2.0, 2.0), (-4.0, -4.0), (4.0, 4.0), -2.0, 2.0)
    model = Slic(step=8, iterations=2).model(facts, statistics)
    wanted = model(tile_of(image), pulse=nothing)
    on_this(monkeypatch, card)
    np.testing.assert_array_equal(model.on(Compute())(tile_of(image), pulse=nothing), wanted)
    assert wanted[3, 4] == 255


def test_what_does_not_fit_is_computed_by_the_processor(card, monkeypatch, caplog):
    image = np.random.default_rng(4).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    model = Slic(step=8, iterations=2).model(FACTS, None).on(Compute())
    wanted = model(tile_of(image), pulse=nothing)
    on_this(monkeypatch, card)

    def full(*_args, **_kwargs):
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(on_cuda, "cluster", full)
    np.testing.assert_array_equal(model(tile_of(image), pulse=nothing), wanted)
    assert "leaves a window of 16 x 16 px to the processor: it has too little mem" in caplog.text


@pytest.mark.parametrize(
    ("edge", "interleaved", "dtype", "fits"),
    [
        (26_754, True, torch.uint8, True),
        (26_755, True, torch.uint8, False),
        (26_754, False, torch.uint8, True),
        (26_755, False, torch.uint8, False),
        (46_340, False, torch.int16, True),  # planes lie apart by 64 bits
        (46_341, False, torch.int16, False),
    ],
)
def test_kernels_are_given_what_they_can_count(edge, interleaved, dtype, fits):
    data = torch.empty((3, edge, edge), dtype=dtype, device="meta")
    if interleaved:
        data = torch.empty((edge, edge, 3), dtype=dtype, device="meta").permute(2, 0, 1)
    frame = Frame(Lattice((edge, edge), (16, 16)), 3, 144)
    assert on_cuda.countable(on_cuda.Pixels(data, None), frame) == fits


@pytest.mark.parametrize(
    ("shape", "channels", "fits"),
    [((40_000, 40_000), 3, True), ((40_000, 40_000), 20, False), ((140_000, 64), 3, False)],
)
def test_and_so_many_cells(shape, channels, fits):
    data = torch.empty((channels, *shape), dtype=torch.int16, device="meta")
    frame = Frame(Lattice(shape, (2, 2)), channels, 144)
    assert on_cuda.countable(on_cuda.Pixels(data, None), frame) == fits


def test_what_they_cannot_count_is_computed_by_the_processor(monkeypatch, caplog, tmp_path):
    image = np.random.default_rng(4).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    weights = str(write_random_weights(tmp_path, "ssn", features=9))
    methods = Slic(step=8, iterations=2), Ssn(step=8, iterations=2, weights=weights)
    models = [method.model(FACTS, None).on(Compute("cpu")) for method in methods]
    wanted = [model(tile_of(image), pulse=nothing) for model in models]
    on_this(monkeypatch, "cpu")
    monkeypatch.setattr(ssn, "kernels_device", lambda _: "cpu")
    monkeypatch.setattr(on_cuda, "COUNTED", 3 * 16 * 16 - 1)
    monkeypatch.setattr(on_cuda, "MOST_ROWS", 1)
    monkeypatch.delattr(on_cuda.slic, "own_sums")
    found = [model(tile_of(image), pulse=nothing) for model in models]
    np.testing.assert_array_equal(found, wanted)
    assert "to the processor: its kernels count too few elements" in caplog.text


class CompilationError(Exception):
    """As Triton's: of no base that it shares with others."""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("No module named 'triton'"), "No module named 'triton'"),
        (CalledProcessError(1, ["gcc", "-I/usr/include"]), "returned non-zero exit status 1"),
        (CompilationError("at 3:4:\n    y = x +\n"), "(at 3:4: y = x +)"),
        (CompilationError(), "(CompilationError)"),
    ],
)
def test_a_card_that_the_kernels_cannot_use_is_logged_once(monkeypatch, caplog, error, told):
    computing._refusal.cache_clear()
    monkeypatch.setattr(computing, "cuda_count", lambda: 1)

    def without(_):
        raise error

    monkeypatch.setattr(on_cuda, "try_kernels", without)
    assert computing.kernels_device(Compute()) is None
    assert computing.kernels_device(Compute()) is None
    assert len(caplog.records) == 1
    assert told in caplog.text
    assert "\n" not in caplog.records[0].getMessage()
    computing._refusal.cache_clear()


def test_the_pulse_stops_the_work(card):
    beats = []

    def pulse():
        beats.append(1)
        raise RuntimeError("stop")

    features = blocks(1, (8, 8))
    frame = Frame(Lattice((8, 8), (8, 8)), 1, QUANTA.position)
    job = on_cuda.Job(frame, 3, WHOLE, QUANTA.color, False, lambda y, x: features[:, y, x])
    with pytest.raises(RuntimeError, match="stop"):
        on_cuda.cluster_tile(features, None, job, card, pulse)
    assert len(beats) == 1


def test_the_projection_bounds_what_is_allocated(card, monkeypatch):
    made = []
    for name in ("zeros", "full"):
        original = getattr(torch, name)

        def counting(*args, _original=original, **kwargs):
            tensor = _original(*args, **kwargs)
            made.append(tensor.nbytes)
            return tensor

        monkeypatch.setattr(torch, name, counting)
    for soft in (False, True):
        made.clear()
        frame = Frame(Lattice((50, 60), (19, 18)), 3, 144)
        pixels = on_cuda.Pixels(torch.empty((3, 50, 60), dtype=torch.int16), None)
        on_cuda.Launch(pixels, frame, wide=soft)
        used = sum(made) + pixels.data.nbytes
        projected = device_bytes(frame, rgb=False, soft=soft)
        assert 0 < used <= projected <= used + (1 << 20) + 2 * 50 * 60


@pytest.mark.overflow
@pytest.mark.parametrize("soft", [False, True])
def test_the_largest_features_do_not_overflow(card, soft):
    """Outliers at both ends, in cells of several programs."""
    features = np.full((3, 19, 38), 2700, np.int16)
    features[:, ::2] = -1200
    found = on_card(card, features, None, (19, 19), 2, soft)
    assert_equal(found, on_processor(features, None, (19, 19), 2, soft))


def test_features_of_a_network_are_clustered_where_they_are(card, monkeypatch, tmp_path):
    """The kernels take all its channels, and give what the processor makes of the same features."""
    weights = str(write_random_weights(tmp_path, "ssn", features=9))
    kind = torch.device(card).type
    model = Ssn(step=8, iterations=2, weights=weights).model(FACTS, None).on(Compute(kind))
    image = np.random.default_rng(6).integers(0, 256, (3, 16, 15), dtype=np.uint8)
    found = []
    for device in (None, card):
        monkeypatch.setattr(ssn, "kernels_device", lambda _, device=device: device)
        found.append(model(tile_of(image, holes((16, 15), 0.1)), pulse=nothing))
    np.testing.assert_array_equal(*found)
