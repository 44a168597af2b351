"""Images and annotations: which belong together, and one sentence where they do not."""

import numpy as np
import pytest
import tifffile
import zarr
from skimage.io import imsave

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.tiling import Box
from napari_superpixels.training.matching import label_stem
from napari_superpixels.training.pairs import annotations_of, find_pairs

IMAGE = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
LABELS = np.arange(600, dtype=np.uint16).reshape(20, 30)


def save(path, pixels):
    imsave(path, pixels, check_contrast=False)
    return path


@pytest.fixture
def apart(tmp_path):
    """Two images and their labels in folders of their own."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for name in "ab":
        save(tmp_path / "images" / f"{name}.png", IMAGE)
        save(tmp_path / "labels" / f"{name}.png", LABELS)
    return tmp_path / "images", tmp_path / "labels"


def read(pair, index=0, box=None):
    return pair.annotations[index].read(box or Box.whole(pair.shape))


def test_folders_apart_match_by_name(apart):
    pairs = find_pairs(*apart)
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert np.array_equal(read(pairs[1]), LABELS)
    part = Box.of((3, 9), (5, 25))
    assert np.array_equal(read(pairs[1], box=part), LABELS[3:9, 5:25])


def test_archives_hold_several_annotators(folder):
    pairs = find_pairs(folder)
    assert [len(pair.annotations) for pair in pairs] == [2, 2, 2]
    assert np.array_equal(read(pairs[0], 1), 7 * read(pairs[0], 0))


@pytest.mark.parametrize("name", ["cell.labels.png", "cell_labels.tif", "cell_mask.png"])
def test_labels_may_lie_beside_their_image(tmp_path, name):
    save(tmp_path / "cell.png", IMAGE)
    if name.endswith("tif"):
        tifffile.imwrite(tmp_path / name, LABELS)
    else:
        save(tmp_path / name, LABELS)
    for place in (tmp_path, tmp_path / "cell.png"):
        (pair,) = find_pairs(place)
        assert label_stem(name) == pair.name == "cell"
        assert np.array_equal(read(pair), LABELS)


def test_one_image_takes_labels_of_any_name(tmp_path):
    image, labels = save(tmp_path / "x.png", IMAGE), save(tmp_path / "y.png", LABELS)
    (pair,) = find_pairs(image, labels)
    assert np.array_equal(read(pair), LABELS)


def test_an_ome_zarr_has_its_labels_inside(tmp_path, ome_zarr):
    path = tmp_path / "scene.zarr"
    ome_zarr(path, np.moveaxis(IMAGE, -1, 0), "cyx")
    zarr.open_group(path / "labels", mode="w", zarr_format=2).attrs["labels"] = ["cells"]
    ome_zarr(path / "labels" / "cells", LABELS, "yx")
    for place in (path, tmp_path):
        (pair,) = find_pairs(place)
        part = Box.of((3, 9), (5, 25))
        assert np.array_equal(read(pair, box=part), LABELS[3:9, 5:25])
    ome_zarr(path / "labels" / "nuclei", LABELS, "yx")
    with pytest.raises(SourceError, match="cells, nuclei"):
        find_pairs(path)
    (pair,) = find_pairs(path, path / "labels" / "nuclei")
    assert np.array_equal(read(pair), LABELS)


def test_an_image_without_labels_is_named(apart):
    (apart[1] / "b.png").unlink()
    with pytest.raises(SourceError, match=r"b\.png' has no labels"):
        find_pairs(*apart)


def test_labels_without_image_are_named(apart):
    (apart[0] / "b.png").unlink()
    with pytest.raises(SourceError, match=r"b\.png' have no image in .*'b\.png'"):
        find_pairs(*apart)


def test_shapes_that_differ_are_named(apart):
    save(apart[1] / "b.png", LABELS[:10])
    with pytest.raises(InputError, match=r"there are .*10 x 30 for .* 20 x 30"):
        find_pairs(*apart)
    save(apart[1] / "a.png", LABELS[:9])
    with pytest.raises(InputError, match=r"9 x 30.*10 x 30"):
        find_pairs(*apart)


def test_float_labels_are_refused(apart):
    (apart[1] / "b.png").unlink()
    tifffile.imwrite(apart[1] / "b.tif", LABELS.astype(np.float32))
    with pytest.raises(InputError, match="float32"):
        find_pairs(*apart)
    (apart[1] / "b.tif").unlink()
    np.savez(apart[1] / "b.npz", segmentations=LABELS[None].astype(float))
    with pytest.raises(InputError, match="float64"):
        find_pairs(*apart)


@pytest.mark.parametrize("which", [0, 1])
def test_empty_folders_are_refused(apart, which):
    for path in apart[which].iterdir():
        path.unlink()
    with pytest.raises(SourceError, match="is empty"):
        find_pairs(*apart)


def test_folders_without_images_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(SourceError, match="holds no image"):
        find_pairs(tmp_path)
    with pytest.raises(SourceError, match="There is no"):
        find_pairs(tmp_path / "nowhere")


def test_colour_pictures_are_no_labels(apart):
    save(apart[1] / "b.png", IMAGE)
    with pytest.raises(InputError, match=r"picture in colours.*numpy\.unique"):
        find_pairs(*apart)


@pytest.mark.parametrize(
    "kind",
    [
        {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        {"photometric": "rgb", "planarconfig": "separate"},  # what many a writer makes of a stack
    ],
)
def test_stacks_of_labels_are_told_by_their_planes(tmp_path, kind):
    path = tmp_path / "a.labels.tif"
    tifffile.imwrite(path, np.zeros((4, 20, 30), np.uint8), **kind)
    with pytest.raises(InputError, match="4 planes or channels of 20 x 30"):
        annotations_of(path)


def test_two_files_of_labels_for_one_image_are_refused(tmp_path):
    save(tmp_path / "a.png", IMAGE)
    save(tmp_path / "a_mask.png", LABELS)
    save(tmp_path / "a.labels.png", LABELS)
    with pytest.raises(SourceError, match=r"a\.labels\.png' and .*a_mask\.png' are both"):
        find_pairs(tmp_path)


def test_many_without_labels_are_counted(tmp_path):
    for name in "abcde":
        save(tmp_path / f"{name}.png", IMAGE)
    with pytest.raises(SourceError, match=r"c\.png' and 2 more have no labels.*--labels"):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [({"labels": LABELS[None]}, "'labels'"), ({"segmentations": LABELS}, r"\(20, 30\)")],
)
def test_archives_of_something_else_are_refused(apart, arrays, told):
    (apart[1] / "b.png").unlink()
    np.savez(apart[1] / "b.npz", **arrays)
    with pytest.raises((InputError, SourceError), match=told):
        find_pairs(*apart)


def test_broken_archives_are_refused(apart):
    (apart[1] / "b.png").unlink()
    (apart[1] / "b.npz").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(SourceError, match="good copy"):
        find_pairs(*apart)


def test_stacks_are_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((5, 20, 30), np.uint8), metadata={"axes": "ZYX"})
    save(tmp_path / "stack.labels.png", LABELS)
    with pytest.raises(InputError, match="5 planes"):
        find_pairs(path)


def test_broken_pictures_are_refused(apart):
    path = apart[0] / "b.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match="good copy"):
        find_pairs(*apart)
