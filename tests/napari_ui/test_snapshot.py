"""What is taken of layers: everything that is needed, not a pixel, with napari's proxy as well."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes
from napari.utils._proxies import PublicOnlyProxy

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

WRAPS = [lambda layer: layer, PublicOnlyProxy]


def refuse(*_, **__):
    raise AssertionError("a pixel was read")


class Level:
    """An array that cannot be read, of a class whose module begins as napari's do."""

    ndim, dtype = 2, np.dtype(np.uint8)

    def __init__(self, shape):
        self.shape = shape
        self.size = int(np.prod(shape))

    __getitem__ = __array__ = refuse


Level.__module__ = "napari_superpixels.engine.live"


@pytest.mark.parametrize("wrap", WRAPS)
def test_levels_are_the_bare_arrays(wrap):
    arrays = [np.zeros((40, 60, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)]
    snapshot = LayerSnapshot.of(wrap(Image(arrays, multiscale=True, rgb=True)))
    assert all(mine is theirs for mine, theirs in zip(snapshot.levels, arrays, strict=True))
    assert (snapshot.rgb, snapshot.ndim, snapshot.multiscale) == (True, 2, True)
    assert (snapshot.shape(), snapshot.plane_shape(1)) == ((40, 60), (20, 30))
    assert snapshot.factors(1) == (2.0, 2.0)


@pytest.mark.parametrize("wrap", WRAPS)
def test_one_array_is_one_level(wrap):
    array = np.zeros((5, 40, 60))
    snapshot = LayerSnapshot.of(wrap(Image(array, name="em")))
    assert snapshot.levels[0] is array
    assert (snapshot.name, snapshot.multiscale, snapshot.rgb) == ("em", False, False)


def test_arrays_of_our_own_are_taken_out_of_the_proxy():
    """napari wraps whatever comes from a module whose name begins with its own."""
    layer = Labels(np.zeros((4, 4), int))
    levels = [Level((40, 60)), Level((20, 30))]

    class Fake:
        name, multiscale, metadata, source = "a", True, {}, layer.source
        scale, translate, rotate, shear = layer.scale, layer.translate, layer.rotate, layer.shear
        affine, units, axis_labels, ndim = layer.affine, layer.units, layer.axis_labels, 2
        data = levels

    Fake.__module__ = "napari.layers"
    proxy = PublicOnlyProxy(Fake())
    assert type(PublicOnlyProxy(levels)[0]) is PublicOnlyProxy
    Fake.data = property(lambda _: PublicOnlyProxy(levels))
    assert LayerSnapshot.of(proxy).levels == tuple(levels)


@pytest.mark.parametrize("wrap", WRAPS)
def test_no_pixel_is_read(wrap):
    def block(block_id=None):
        raise AssertionError("a pixel was read")

    lazy = [
        da.map_blocks(block, chunks=((n,), (n,)), dtype=np.uint8, meta=np.zeros((0, 0), np.uint8))
        for n in (64, 32)
    ]
    layer = Image([np.zeros((64, 64), np.uint8), np.zeros((32, 32), np.uint8)], multiscale=True)
    layer.data._data[:] = lazy
    snapshot = LayerSnapshot.of(wrap(layer))
    assert snapshot.levels == tuple(lazy)
    assert snapshot.shape(1) == (32, 32)


def test_what_our_reader_left_is_taken():
    opened = {"image": "a.tif", "level": 0}
    facts = {"napari_superpixels": {"opened": opened, "channel": 2, "identity": "x"}}
    snapshot = LayerSnapshot.of(PublicOnlyProxy(Image(np.zeros((4, 4)), metadata=facts)))
    assert (snapshot.opened, snapshot.channel, snapshot.path) == (opened, 2, None)
    bare = LayerSnapshot.of(Image(np.zeros((4, 4))))
    assert (bare.opened, bare.channel) == (None, None)


def image(ndim, labels=None):
    return LayerSnapshot.of(Image(np.zeros((2,) * ndim), axis_labels=labels))


@pytest.mark.parametrize(
    ("labels", "letters"),
    [
        (2, "yx"), (3, "zyx"), (4, "tzyx"),
        ("zyx", "zyx"), ("tyx", "tyx"), ("TYX", "tyx"), ("tzyx", "tzyx"),
        (("time", "y", "x"), "tyx"), (("time", "depth", "row", "column"), "tzyx"),
        (("a", "b", "y", "x"), "tzyx"), (("t", "b", "y", "x"), "tzyx"),
        (("p", "z", "y", "x"), "tzyx"),
        (("x", "z"), "yx"), (("plane", "y", "x"), "zyx"),
    ],
)  # fmt: skip
def test_axes_are_known_by_label_then_by_number(labels, letters):
    given = None if isinstance(labels, int) else tuple(labels)
    ndim = labels if isinstance(labels, int) else len(labels)
    assert image(ndim, given).letters == letters


@pytest.mark.parametrize("labels", ["cyx", "yxc", "CZYX", ("channel", "y", "x"), 5, "tczyx"])
def test_channels_are_to_be_split(labels):
    given = None if isinstance(labels, int) else tuple(labels)
    ndim = labels if isinstance(labels, int) else len(labels)
    with pytest.raises(InputError, match=r"has the axes .* choose Split Stack\.$"):
        _ = image(ndim, given).letters


@pytest.mark.parametrize("labels", ["ztyx", "xyz", "zzyx", "yzyx"])
def test_another_order_is_refused(labels):
    with pytest.raises(InputError, match=r"in the order .* must be t, z, y, x"):
        _ = image(len(labels), tuple(labels)).letters


def test_a_level_that_does_not_exist():
    with pytest.raises(InputError, match=r"'Image' has no level 1; choose one from 0 to 0"):
        image(2).shape(1)


@pytest.mark.parametrize("wrap", WRAPS)
def test_shapes_are_copied(wrap):
    layer = Shapes([np.array([[0, 0], [0, 5], [5, 5.0]])], shape_type="polygon", name="roi")
    layer.add_ellipses(np.array([[0, 0], [0, 5], [5, 5.0], [5, 0]]))
    layer.selected_data = {1}
    snapshot = PolygonsSnapshot.of(wrap(layer))
    layer.data = []
    assert (snapshot.name, snapshot.kinds) == ("roi", ("polygon", "ellipse"))
    assert snapshot.selected == (1,)
    assert [corners.shape for corners in snapshot.corners] == [(3, 2), (4, 2)]
