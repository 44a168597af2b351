"""Outlines as masks: the same pixels in every box, in other programs, and after a resume."""

import json
import pickle

import numpy as np
import pytest
import rasterio.features
import rasterio.transform
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.io import open_level, open_source, reopen
from napari_superpixels.tiling import Box

SHAPE = (37, 53)
WHOLE = Box.whole(SHAPE)

coordinates = st.floats(-20, 80, width=32) | st.integers(-5, 60).map(float)
corners = npst.arrays(np.float64, st.tuples(st.integers(3, 12), st.just(2)), elements=coordinates)


def drawn(polygons, shape=SHAPE, box=None):
    reader = nsp.Polygons(polygons).on(shape).reader
    return reader.read((Box.whole(shape) if box is None else box).slices)


def by_gdal(polygon, shape=SHAPE):
    """A pixel belongs to it where its centre does; for GDAL that lies at one half."""
    ring = [(x + 0.5, y + 0.5) for y, x in [*polygon, polygon[0]]]
    shapes = [({"type": "Polygon", "coordinates": [ring]}, 1)]
    return rasterio.features.rasterize(shapes, shape, transform=rasterio.transform.IDENTITY)


def test_a_square_holds_the_centres_inside():
    inside = drawn([[(1.5, 2.5), (1.5, 6.5), (4.5, 6.5), (4.5, 2.5)]])
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:5, 3:7] = 1
    np.testing.assert_array_equal(inside, expected)


def test_neighbours_that_share_an_edge_share_no_pixel():
    left = [(0, 0), (0, 10), (30, 20), (30, 0)]
    right = [(0, 10), (0, 40), (30, 40), (30, 20)]
    both = drawn([left]).astype(int) + drawn([right])
    assert both.max() == 1
    assert both[:30, :40].min() == 1


@given(st.lists(corners, min_size=1, max_size=3), st.data())
def test_every_box_is_cut_out_of_the_whole(polygons, data):
    whole = drawn(polygons)
    for _ in range(4):
        sides = [
            sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2))) for n in SHAPE
        ]
        box = Box.of(*map(tuple, sides))
        np.testing.assert_array_equal(drawn(polygons, box=box), whole[box.slices])


@pytest.mark.parametrize("seed", range(30))
def test_the_same_pixels_as_gdal(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 40)))  # a star crosses no edge
    radii = rng.uniform(3, 30, len(angles))
    centre = rng.uniform(0, 50, 2)
    polygon = centre + radii[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_array_equal(drawn([polygon]), by_gdal(polygon.tolist()))


def test_what_is_enclosed_twice_by_one_polygon_is_outside():
    bow = [(0, 0), (30, 40), (30, 0), (0, 40)]
    inside = drawn([bow])
    assert (inside[3, 20], inside[27, 20], inside[15, 5], inside[15, 35]) == (1, 1, 0, 0)
    twice = [(0, 0), (0, 30), (30, 30), (30, 0)] * 2
    assert not drawn([twice]).any()
    assert drawn([twice[:4], twice[:4]]).sum() == 900


def test_they_mask_an_image_of_any_number_of_planes():
    source = open_source(
        np.ones((3, *SHAPE)), axes="zyx", mask=nsp.Polygons([[(5, 5), (5, 30), (30, 5)]])
    )
    box = Box.of((3, 20), (4, 41))
    expected = drawn([[(5, 5), (5, 30), (30, 5)]], box=box) != 0
    for plane in range(3):
        np.testing.assert_array_equal(source.read(plane, box).valid, expected)


def test_nothing_is_drawn_outside_the_box_that_is_read():
    """A mask of a hundred gigapixels is as cheap as the box that is looked at."""
    size = 2**20
    reader = nsp.Polygons([[(-10, -10), (-10, size), (size, -10)]]).on((size, size)).reader
    far = size // 2
    inside = reader.read((slice(far - 20, far + 20), slice(far - 20, far + 20)))
    y, x = np.mgrid[far - 20 : far + 20, far - 20 : far + 20]
    np.testing.assert_array_equal(inside, x + y < size - 10)


def test_at_another_level_they_are_the_same_place():
    polygon = [(8.0, 8.0), (8.0, 40.0), (30.0, 40.0), (30.0, 8.0)]
    levels = [np.ones((64, 80)), np.ones((32, 40)), np.ones((11, 13))]
    source = open_source(levels, axes="yx", mask=nsp.Polygons([polygon]))
    for number, level in enumerate(levels):
        valid = open_level(source, number).read(0, Box.whole(level.shape)).valid
        y, x = ((np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip((64, 80), level.shape))
        expected = ((y >= 8) & (y < 30))[:, None] & ((x >= 8) & (x < 40))
        np.testing.assert_array_equal(valid, expected)


def test_identity_follows_the_outline():
    image, polygon = np.ones(SHAPE), [(0, 0), (0, 30), (30, 0)]
    identities = {
        open_source(image, mask=nsp.Polygons([outline])).identity
        for outline in (polygon, polygon, [*polygon[:2], (30, 0.001)])
    }
    assert len(identities) == 2
    assert open_source(image).identity not in identities


def test_they_travel_as_json_and_by_pickle(tmp_path):
    np.save(tmp_path / "image.npy", np.ones(SHAPE))
    polygon = np.random.default_rng(0).uniform(0, 50, (7, 2))
    source = open_source(tmp_path / "image.npy", mask=nsp.Polygons([polygon]))
    again = reopen(json.loads(json.dumps(source.opened)))
    assert again.identity == source.identity
    copy = pickle.loads(pickle.dumps(source))
    for other in (again, copy):
        np.testing.assert_array_equal(other.read(0, WHOLE).valid, source.read(0, WHOLE).valid)
    same = eval(repr(nsp.Polygons([polygon])), {"Polygons": nsp.Polygons})
    np.testing.assert_array_equal(same.polygons[0], polygon)


def test_a_run_with_polygons_can_be_resumed(tmp_path):
    import threading

    np.save(tmp_path / "image.npy", np.random.default_rng(1).random((64, 64)))
    source = nsp.open(tmp_path / "image.npy", mask=nsp.Polygons([[(5, 5), (5, 60), (60, 5)]]))
    plan = nsp.plan(source, step=8)
    cancel = threading.Event()
    with pytest.raises(nsp.SuperpixelsError):
        nsp.run(plan, tmp_path / "out.zarr", cancel=cancel, listener=lambda _: cancel.set())
    labels = np.asarray(nsp.resume(tmp_path / "out.zarr").labels)
    np.testing.assert_array_equal(labels == 0, ~source.read(0, Box.whole((64, 64))).valid)


@pytest.mark.parametrize(
    ("polygons", "words"),
    [
        ([], "no polygon"),
        ([[(0, 0), (1, 1)]], r"shape \(2, 2\).*three corners"),
        ([[(0, 0, 0)] * 3], r"shape \(3, 3\)"),
        ([[(0, 0), (1,), (2, 2)]], "three corners"),
        ([[(0, 0), (1, np.nan), (2, 2)]], "no finite numbers"),
    ],
)
def test_what_is_no_polygon_is_refused(polygons, words):
    with pytest.raises(InputError, match=words):
        nsp.Polygons(polygons)


def test_a_mapping_that_is_no_polygons_is_refused():
    with pytest.raises(InputError, match="must hold 'polygons' alone"):
        open_source(np.ones(SHAPE), mask={"shapes": []})
