"""Crops: reproducible, inside the image, changed together with their labels."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from skimage.io import imsave

from napari_superpixels.engine.measure import measure
from napari_superpixels.errors import InputError
from napari_superpixels.models.learned import Samples
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.tiling import Box
from napari_superpixels.training.augment import JITTER_PX, Crop, _shift, _shuffle, flipped, jittered
from napari_superpixels.training.data import (
    MOST_BORDER_PIXELS,
    Crops,
    TrainingSet,
    _borders,
    padded,
    read_whole,
)
from napari_superpixels.training.losses import VOID
from napari_superpixels.training.pairs import find_pairs


def coded(tmp_path, shape=(40, 60)):
    """An image whose colours say where a pixel comes from; labels say the same."""
    y, x = np.indices(shape)
    image = np.stack([y, x, 0 * x], axis=-1).astype(np.uint8)
    imsave(tmp_path / "coded.png", image, check_contrast=False)
    np.savez(tmp_path / "coded.npz", segmentations=(1000 * y + x)[None].astype(np.int32))
    return TrainingSet(find_pairs(tmp_path), seed=1)


def assert_fits(crop):
    place = 1000 * crop.image[0].astype(int) + crop.image[1]
    assert np.array_equal(place, crop.labels)


def test_every_annotation_comes_once_a_round(data):
    names = [data.crop(number, Crops(size=8)).name for number in range(12)]
    assert len(data) == 6
    assert len(set(names[:6])) == len(set(names[6:])) == 6
    assert names[:6] != names[6:]


def test_a_crop_is_a_function_of_seed_and_number(data, folder):
    crops = Crops(size=24, scales=(0.75, 3.0), jitter=False)
    again = TrainingSet(find_pairs(folder), seed=3)
    other = TrainingSet(find_pairs(folder), seed=4)
    first, second = data.crop(7, crops), again.crop(7, crops)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.labels, second.labels)
    assert not np.array_equal(first.image, other.crop(7, crops).image)
    assert not np.array_equal(first.image, data.crop(8, crops).image)


def test_images_and_labels_are_cut_and_mirrored_together(tmp_path):
    data = coded(tmp_path)
    for number in range(12):
        assert_fits(data.crop(number, Crops(size=24)))
    assert len({data.crop(n, Crops(size=24)).labels[0, 0] for n in range(12)}) > 6


def test_scaled_crops_keep_labels_near_their_place(tmp_path):
    data = coded(tmp_path)
    spans = []
    for number in range(20):
        crop = data.crop(number, Crops(size=24, scales=(0.75, 3.0), flips=""))
        y, x = np.divmod(crop.labels, 1000)
        assert abs(y - crop.image[0].astype(int)).max() <= 1
        assert abs(x - crop.image[1].astype(int)).max() <= 1
        spans.append(int(x[0, -1] - x[0, 0]))
    assert 6 <= min(spans) < 12
    assert 23 < max(spans) <= 32


def test_a_frame_shows_the_whole_image_resized(tmp_path):
    crop = coded(tmp_path).crop(0, Crops(size=24, frame=24, flips=""))
    y, x = np.divmod(crop.labels, 1000)
    assert (y[-1, 0], x[0, -1]) == (39, 58)


def test_crops_at_borders_hold_one(folder):
    data = TrainingSet(find_pairs(folder), seed=0)
    for number in range(10):
        assert len(np.unique(data.crop(number, Crops(size=8, at_border=True)).labels)) == 2


def test_batches_are_stacks_of_crops(data):
    batch = data.batch(2, 3, Crops(size=16))
    assert batch.image.shape == (3, 3, 16, 16)
    assert batch.image.dtype == torch.float32
    assert batch.labels.dtype == torch.int64
    last = data.crop(8, Crops(size=16))
    assert np.array_equal(batch.image[2].numpy(), last.image)
    alone = batch.alone(2)
    assert alone.names == (last.name,)
    assert [np.array_equal(image, last.image) for image in alone.image] == [True, True]


def test_void_labels_and_pixels_without_data_are_void(tmp_path):
    image = np.full((30, 30, 4), 200, np.uint8)
    image[:10, :, 3] = 0
    imsave(tmp_path / "a.png", image, check_contrast=False)
    labels = np.ones((30, 30), np.uint8)
    labels[:, :10] = 5
    imsave(tmp_path / "a.labels.png", labels, check_contrast=False)
    data = TrainingSet(find_pairs(tmp_path), void=5)
    crop = data.crop(0, Crops(size=30, flips=""))
    assert (crop.labels == VOID).sum() == 30 * 10 + 20 * 10
    assert crop.image.shape == (3, 30, 30)


def test_other_types_are_stretched_and_one_channel_repeated(tmp_path):
    image = np.linspace(1000, 5000, 900).reshape(30, 30).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "a.labels.tif", image // 1000)
    (pair,) = find_pairs(tmp_path)
    whole = read_whole(pair)
    assert whole.shape == (3, 30, 30)
    assert (whole.min(), whole.max()) == (0, 255)
    assert abs(whole[0].ravel()[450] - 127) <= 2


def test_pixels_without_data_have_the_colour_that_they_have_in_use(tmp_path):
    image = np.full((30, 30, 4), 200, np.uint8)
    image[:10, :, 3] = 0
    imsave(tmp_path / "a.png", image, check_contrast=False)
    imsave(tmp_path / "a.labels.png", image[..., 0] // 100, check_contrast=False)
    data = TrainingSet(find_pairs(tmp_path))
    for blank, seen in (((0,), (0, 0, 0)), ((1, 2, 3), (1, 2, 3))):
        crop = data.crop(0, Crops(size=30, flips="", blank=blank))
        assert tuple(crop.image[:, 5, 5]) == seen
        assert tuple(crop.image[:, 15, 5]) == (200, 200, 200)


def test_borders_are_looked_for_once(folder, monkeypatch):
    pairs = find_pairs(folder)
    data, asked = TrainingSet(pairs), []
    kind = type(pairs[0].annotations[0])
    read = kind.read
    monkeypatch.setattr(kind, "read", lambda s, box: asked.append(box) or read(s, box))
    for number in range(18):
        data.crop(number, Crops(size=8, at_border=True))
    assert len([box for box in asked if box.shape == pairs[0].shape]) == len(data)


def test_of_many_border_pixels_some_are_remembered(tmp_path):
    (pair,) = coded(tmp_path, (120, 200)).pairs
    found = _borders(pair, 0)
    assert MOST_BORDER_PIXELS / 2 <= len(found) <= MOST_BORDER_PIXELS
    assert found[0] < 200
    assert found[-1] > 118 * 200


def test_seeds_are_not_negative(folder):
    with pytest.raises(InputError, match="seed is -1"):
        TrainingSet(find_pairs(folder), seed=-1)


def test_crops_fit_into_the_frame(data):
    with pytest.raises(InputError, match="at most 768"):
        data.check_size(Crops(size=1024, frame=768))


def test_images_smaller_than_a_crop_are_refused(data):
    data.check_size(Crops(size=40))
    with pytest.raises(InputError, match=r"'0' of 40 x 56 pixels.*at most 40"):
        data.check_size(Crops(size=41))
    with pytest.raises(InputError, match=r"'2' of 40 x 56 pixels are.*at most 32"):
        data.check_size(Crops(size=41), 16)
    data.check_size(Crops(size=512, frame=768))


def test_images_of_different_channels_are_refused_but_one_is_repeated(tmp_path):
    for name, channels in (("a", 1), ("b", 5), ("c", 6)):
        image = np.full((channels, 30, 30), channels, np.uint8)
        image[0] *= 10
        tifffile.imwrite(tmp_path / f"{name}.tif", image, metadata={"axes": "CYX"})
        tifffile.imwrite(tmp_path / f"{name}.labels.tif", np.zeros((30, 30), np.uint8))
    pairs = find_pairs(tmp_path)
    data = TrainingSet(pairs[:2])
    assert data.channels == 5
    assert data.batch(0, 2, Crops(size=8)).image.shape == (2, 5, 8, 8)
    with pytest.raises(InputError, match=r"'c' has 6 channels, but 5 are needed"):
        TrainingSet(pairs)


def test_no_images_are_refused():
    with pytest.raises(InputError, match="no annotated image"):
        TrainingSet([])


def test_padding_repeats_the_edge():
    image = np.arange(3 * 5 * 6, dtype=np.uint8).reshape(3, 5, 6)
    grown = padded(image, 4)
    assert grown.shape == (3, 8, 8)
    assert np.array_equal(grown[:, 7, :6], image[:, 4])


def whole_crop():
    y, x = np.indices((48, 64))
    return Crop(np.stack([y, x, 0 * x]).astype(np.uint8), (1000 * y + x).astype(np.int64), "a")


def test_flips_happen_along_the_axes_that_are_named():
    seen = {"": set(), "x": set(), "yx": set()}
    for axes, corners in seen.items():
        for seed in range(30):
            crop = flipped(whole_crop(), axes, np.random.default_rng(seed))
            assert_fits(crop)
            corners.add(int(crop.labels[0, 0]))
    assert {axes: len(corners) for axes, corners in seen.items()} == {"": 1, "x": 2, "yx": 4}


def test_jitter_moves_labels_with_pixels_and_gives_noise_its_own():
    original, moved, noisy = whole_crop(), 0, 0
    for seed in range(80):
        crop = jittered(original, np.random.default_rng(seed))
        known = crop.labels <= 47 * 1000 + 63
        place = 1000 * crop.image[0].astype(int) + crop.image[1]
        assert np.array_equal(place[known], crop.labels[known])
        changed = (crop.labels != original.labels).mean()
        moved += changed > 0
        noisy += (~known).any()
        assert (~known).sum() <= 4 * JITTER_PX**2
    assert 60 <= moved < 80
    assert 30 <= noisy < 80
    assert_fits(original)


def test_regions_are_read_and_not_whole_images(folder, monkeypatch):
    pairs = find_pairs(folder)
    asked = []
    source = type(pairs[0].image)
    read = source.read
    monkeypatch.setattr(source, "read", lambda s, p, box: asked.append(box) or read(s, p, box))
    TrainingSet(pairs).crop(0, Crops(size=16))
    assert [box.shape for box in asked] == [(16, 16)]
    assert Box.whole(pairs[0].shape).covers(asked[0])


def test_crops_have_defaults_that_can_be_replaced():
    assert replace(Crops(), size=64).flips == "yx"


def test_samples_are_what_inference_makes_of_them(tmp_path):
    """One grey channel of 8 bits is stretched there too."""
    grey = np.random.default_rng(0).integers(40, 90, (30, 40), dtype=np.uint8)
    imsave(tmp_path / "a.png", grey, check_contrast=False)
    imsave(tmp_path / "a.labels.png", grey // 50, check_contrast=False)
    (pair,) = find_pairs(tmp_path)
    facts = ImageFacts(channels=1, dtype=np.dtype(np.uint8), rgb=False)
    samples = Samples.of("scn", facts, measure(pair.image), 3)(grey[None], None)
    assert np.array_equal(read_whole(pair), np.rint(samples * 255).astype(np.uint8))


def test_scaled_crops_stay_inside_small_images(tmp_path):
    data = coded(tmp_path, (30, 34))
    for number in range(20):
        crop = data.crop(number, Crops(size=28, scales=(0.5, 2.0)))
        assert crop.image.shape == (3, 28, 28)
        assert crop.labels.max() <= 29 * 1000 + 33


def test_shifts_go_both_ways_and_noise_is_what_came_around():
    """With strips shifted alone, every pixel that is no noise moved by at most 16, either way."""
    moves = set()
    for seed in range(60):
        crop = whole_crop()
        image, labels = crop.image.copy(), crop.labels.copy()
        _shift(image, labels, np.random.default_rng(seed))
        known = labels <= 47 * 1000 + 63
        y, x = np.divmod(labels, 1000)
        ys, xs = np.indices(labels.shape)
        off = np.stack([ys - y, xs - x])[:, known & (labels != crop.labels)]
        moves.update(int(m) for m in off.ravel() if 0 < abs(m) <= JITTER_PX)
        if not known.all():
            assert abs(off).max(initial=0) <= JITTER_PX, "what came around is noise"
    assert min(moves) < 0 < max(moves)


def test_patches_are_swapped_also_where_one_becomes_noise():
    for seed in range(30):
        crop = whole_crop()
        image, labels = crop.image.copy(), crop.labels.copy()
        _shuffle(image, labels, np.random.default_rng(seed))
        noise = labels > 47 * 1000 + 63
        if noise.any():
            assert ((labels != crop.labels) & ~noise).any()
            return
    raise AssertionError("no noise in 30 draws")


def test_jitter_never_repeats_for_other_numbers(data):
    crops = Crops(size=40, flips="", jitter=True)
    again, other = data.crop(3, crops), data.crop(9, crops)
    assert np.array_equal(again.image, data.crop(3, crops).image)
    assert not np.array_equal(again.image, other.image)


def test_batches_move_to_a_device(data):
    batch = data.batch(0, 2, Crops(size=16)).to("meta")
    assert batch.image.device.type == batch.labels.device.type == "meta"
    assert len(batch.names) == 2
