import numpy as np
import pytest
import zarr

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box

AXES = {
    "t": {"name": "t", "type": "time", "unit": "second"},
    "c": {"name": "c", "type": "channel"},
    "z": {"name": "z", "type": "space", "unit": "micrometer"},
    "y": {"name": "y", "type": "space", "unit": "micrometer"},
    "x": {"name": "x", "type": "space", "unit": "micrometer"},
}


def halve(array):
    return array[..., ::2, ::2]


def make_multiscale(group, letters, levels, version, transforms=None, **extra):
    """Write levels and the NGFF metadata of that version by hand."""
    datasets = []
    for k, level in enumerate(levels):
        chunks = tuple(min(n, 16) if a in "yx" else 1 for a, n in zip(letters, level.shape))
        array = group.create_array(str(k), shape=level.shape, chunks=chunks, dtype=level.dtype)
        array[...] = level
        scale = [0.5 * 2**k if a in "yx" else 2.0 for a in letters]
        shift = [0.25 * (2**k - 1) if a in "yx" else 0.0 for a in letters]
        steps = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": shift},
        ]
        datasets.append({"path": str(k), "coordinateTransformations": steps})
    entry = {"axes": [AXES[a] for a in letters], "datasets": datasets, "name": "cells"}
    if transforms:
        entry["coordinateTransformations"] = transforms
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [entry], **extra}
    else:
        group.attrs.update({"multiscales": [{**entry, "version": version}], **extra})


def new_group(path, version="0.5"):
    return zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)


@pytest.fixture
def stack(rng):
    return rng.integers(0, 60000, (2, 3, 4, 33, 47), dtype=np.uint16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("level", [0, 1])
def test_ome_zarr(tmp_path, stack, version, level, assert_reads):
    levels = [stack, halve(stack)]
    make_multiscale(new_group(tmp_path / "a.ome.zarr", version), "tczyx", levels, version)
    source = open_source(tmp_path / "a.ome.zarr", level=level)
    assert source.format == f"OME-Zarr {version}"
    assert source.axes.names == "tczyx"
    assert source.level_shapes == ((33, 47), (17, 24))
    assert source.axes["x"].spacing == 0.5 * 2**level
    assert source.axes["x"].origin == 0.25 * (2**level - 1)
    assert (source.axes["t"].unit, source.axes["z"].spacing) == ("second", 2.0)
    assert source.chunk_shape == (16, 16)
    assert (source.name, source.notes) == ("a", ())
    assert source.location == str(tmp_path / "a.ome.zarr")
    assert_reads(source, levels[level].swapaxes(1, 2).reshape(8, 3, *levels[level].shape[3:]))


def test_transforms_of_the_whole_are_applied_last(tmp_path, stack):
    steps = [
        {"type": "scale", "scale": [1, 1, 1, 10, 10]},
        {"type": "translation", "translation": [0, 0, 0, 3, 0]},
    ]
    make_multiscale(new_group(tmp_path / "a.zarr"), "tczyx", [stack, halve(stack)], "0.5", steps)
    y = open_source(tmp_path / "a.zarr", level=1).axes["y"]
    assert (y.spacing, y.origin) == (10.0, 5.5)


def test_level_out_of_range(tmp_path, stack):
    make_multiscale(new_group(tmp_path / "a.zarr"), "tczyx", [stack, halve(stack)], "0.5")
    with pytest.raises(InputError, match="has 2 levels; give a level from 0 to 1"):
        open_source(tmp_path / "a.zarr", level=2)


def test_channels_are_read_alone(tmp_path, stack, assert_reads):
    make_multiscale(new_group(tmp_path / "a.zarr"), "tczyx", [stack], "0.5")
    source = open_source(tmp_path / "a.zarr", channels=[2, 0])
    assert_reads(source, stack.swapaxes(1, 2).reshape(8, 3, 33, 47)[:, [2, 0]])


@pytest.mark.parametrize(("dtype", "rgb"), [(np.uint8, True), (np.uint16, False)])
def test_channels_shown_as_rgb(tmp_path, rng, dtype, rgb):
    image = rng.integers(0, 256, (3, 20, 30)).astype(dtype)
    colours = [{"color": colour} for colour in ("FF0000", "00FF00", "0000FF")]
    make_multiscale(
        new_group(tmp_path / "a.zarr"), "cyx", [image], "0.5", omero={"channels": colours}
    )
    source = open_source(tmp_path / "a.zarr")
    assert source.rgb == rgb
    assert bool(source.notes) == rgb
    assert not open_source(tmp_path / "a.zarr", rgb=False).rgb


def test_old_metadata_without_axes(tmp_path, stack, assert_reads):
    group = new_group(tmp_path / "a.zarr", "0.1")
    group.create_array("0", data=stack)
    group.attrs["multiscales"] = [{"version": "0.1", "datasets": [{"path": "0"}]}]
    assert_reads(
        open_source(tmp_path / "a.zarr"), stack.swapaxes(1, 2).reshape(8, 3, 33, 47), boxes=2
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plates_give_their_first_field(tmp_path, stack, version):
    plate = new_group(tmp_path / "p.zarr", version)
    well = plate.create_group("A/1")
    tables = {"plate": {"wells": [{"path": "A/1"}]}}, {"well": {"images": [{"path": "0"}]}}
    for group, table in zip((plate, well), tables):
        group.attrs.update({"ome": {"version": "0.5", **table}} if version == "0.5" else table)
    make_multiscale(well.create_group("0"), "tczyx", [stack], version)
    source = open_source(tmp_path / "p.zarr")
    assert source.axes.shape == stack.shape
    assert "the well 'A/1' is read" in source.notes[0]
    assert "the field '0' is read" in source.notes[1]


def test_collections_give_image_zero(tmp_path, stack):
    root = new_group(tmp_path / "b.zarr", "0.4")
    root.attrs["bioformats2raw.layout"] = 3
    make_multiscale(root.create_group("0"), "tczyx", [stack], "0.4")
    make_multiscale(root.create_group("1"), "tczyx", [stack[:1]], "0.4")
    source = open_source(tmp_path / "b.zarr")
    assert source.axes.shape == stack.shape
    assert "of which '0' is read" in source.notes[0]
    assert (source.name, source.location) == ("b", str(tmp_path / "b.zarr" / "0"))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("given", ["path", "array"])
def test_plain_arrays(tmp_path, rng, zarr_format, given, assert_reads):
    image = rng.integers(0, 256, (33, 47, 3), dtype=np.uint8)
    path = tmp_path / "plain.zarr"
    array = zarr.create_array(path, data=image, chunks=(16, 10, 3), zarr_format=zarr_format)
    source = open_source(str(path) if given == "path" else array)
    assert (source.name, source.location) == ("plain", str(path))
    assert source.format == f"zarr v{zarr_format} array"
    assert source.chunk_shape == (16, 10)
    assert source.rgb
    assert_reads(source, np.moveaxis(image, 2, 0)[None])


def test_sharded_arrays(tmp_path, rng, assert_reads):
    image = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    zarr.create_array(tmp_path / "s.zarr", data=image, chunks=(8, 8), shards=(32, 32))
    source = open_source(tmp_path / "s.zarr")
    assert source.chunk_shape == (8, 8)
    assert_reads(source, image[None, None])


def test_dimension_names_name_the_axes(tmp_path, rng, assert_reads):
    image = rng.integers(0, 256, (20, 5, 30), dtype=np.uint8)
    zarr.create_array(tmp_path / "a.zarr", data=image, dimension_names=["y", "c", "x"])
    source = open_source(tmp_path / "a.zarr")
    assert (source.axes.names, source.notes) == ("cyx", ())
    assert_reads(source, image.swapaxes(0, 1)[None])


def test_a_group_with_a_single_array(tmp_path, rng, assert_reads):
    image = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    new_group(tmp_path / "g.zarr").create_array("only", data=image)
    source = open_source(zarr.open_group(tmp_path / "g.zarr", mode="r"))
    assert "the only array of the group, 'only'" in source.notes[0]
    assert_reads(source, image[None, None])


def test_a_group_with_several_arrays_is_refused(tmp_path):
    group = new_group(tmp_path / "g.zarr")
    group.create_array("a", shape=(9, 9), dtype="u1")
    group.create_array("b", shape=(9, 9), dtype="u1")
    with pytest.raises(SourceError, match=r"holds 2 arrays, not exactly one.*'a', 'b'"):
        open_source(tmp_path / "g.zarr")


def test_a_folder_without_zarr_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(SourceError, match=r"no zarr metadata.*give the folder of an OME-Zarr"):
        open_source(tmp_path / "a.zarr")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"zarr_format": 9}', "no json"])
def test_broken_metadata_are_refused(tmp_path, text):
    new_group(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "zarr.json").write_text(text)
    with pytest.raises(SourceError, match=r"metadata of .*a\.zarr cannot be read") as caught:
        open_source(tmp_path / "a.zarr")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "entry",
    [
        {"datasets": []},
        {"axes": [AXES["y"], AXES["x"]], "datasets": [{}]},
        {"axes": [AXES["y"]], "datasets": [{"path": "0"}]},
        {"axes": [AXES["y"], {"type": "space"}], "datasets": [{"path": "0"}]},
        {"axes": [AXES["y"], AXES["x"]], "datasets": [{"path": "nowhere"}]},
        {
            "axes": [AXES["y"], AXES["x"]],
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1]}]}
            ],
        },
    ],
)
def test_broken_ome_metadata_are_refused(tmp_path, entry):
    group = new_group(tmp_path / "a.zarr")
    group.create_array("0", shape=(9, 9), dtype="u1")
    group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    with pytest.raises(SourceError, match=r"a\.zarr"):
        open_source(tmp_path / "a.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_broken_chunk_fails_where_it_is_read(tmp_path, zarr_format):
    path = tmp_path / "a.zarr"
    image = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    zarr.create_array(path, data=image, chunks=(16, 16), zarr_format=zarr_format)
    chunk = path / ("c/1/1" if zarr_format == 3 else "1.1")
    chunk.write_bytes(b"\0broken" + chunk.read_bytes()[7:])
    source = open_source(path)
    np.testing.assert_array_equal(source.read(0, Box.of((0, 16), (0, 32))).pixels[0], image[:16])
    with pytest.raises(SourceError, match=r"block 10:20, 10:20 cannot be read") as caught:
        source.read(0, Box.of((10, 20), (10, 20)))
    assert caught.value.__suppress_context__


def test_empty_and_complex_arrays_are_refused(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(0, 9), chunks=(4, 4), dtype="u1")
    zarr.create_array(tmp_path / "b.zarr", shape=(9, 9), chunks=(4, 4), dtype="c8")
    with pytest.raises(InputError, match=r"shape \(0, 9\)"):
        open_source(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="complex64"):
        open_source(tmp_path / "b.zarr")


def test_identity_does_not_depend_on_the_path(tmp_path, stack):
    make_multiscale(new_group(tmp_path / "a.zarr"), "tczyx", [stack, halve(stack)], "0.5")
    before = open_source(tmp_path / "a.zarr").identity
    (tmp_path / "a.zarr").rename(tmp_path / "b.zarr")
    source = open_source(tmp_path / "b.zarr")
    assert source.identity == before
    assert open_source(tmp_path / "b.zarr", level=1).identity != before


def test_identity_ignores_labels_written_beside(tmp_path, stack):
    group = new_group(tmp_path / "a.zarr")
    make_multiscale(group, "tczyx", [stack], "0.5")
    before = open_source(tmp_path / "a.zarr").identity
    group.create_group("labels").attrs["ome"] = {"labels": ["superpixels"]}
    assert open_source(tmp_path / "a.zarr").identity == before
