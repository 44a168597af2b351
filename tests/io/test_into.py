import multiprocessing
import os
import shutil
import signal
import warnings

import napari_ome_zarr
import numpy as np
import pytest
import zarr
from ome_zarr_models import open_ome_zarr
from ome_zarr_models.v04.image_label import ImageLabel as ImageLabel04
from ome_zarr_models.v05.image_label import ImageLabel as ImageLabel05

from napari_superpixels.axes import Axes
from napari_superpixels.errors import InputError, OutputError, SourceError
from napari_superpixels.io import into, open_source
from napari_superpixels.io.into import write_into
from napari_superpixels.io.label_output import open_labels
from napari_superpixels.io.ome_zarr_writer import Layout, create_arrays, finish_image
from napari_superpixels.kernels.mode import mode_downsample

VERSIONS = ["0.4", "0.5"]
AXIS_TYPES = {"t": "time", "c": "channel"}
VALIDATORS = {"0.4": ImageLabel04, "0.5": ImageLabel05}


def axis(letter):
    entry = {"name": letter, "type": AXIS_TYPES.get(letter, "space")}
    return entry | ({"unit": "micrometer"} if letter in "zyx" else {})


def make_image(path, version="0.5", letters="cyx", shapes=((3, 101, 70), (3, 50, 35)), shared=None):
    """Write an OME-Zarr image of zeros, with a scale and a translation for each level."""
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for number, shape in enumerate(shapes):
        v2 = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        options = v2 if version == "0.4" else {"dimension_names": list(letters)}
        group.create_array(f"s{number}", shape=shape, dtype="u1", chunks=shape, **options)
        scale = [0.5 * 2**number if a in "yx" else 1.0 for a in letters]
        origin = [float(i) for i, _ in enumerate(letters)]
        steps = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": origin},
        ]
        datasets.append({"path": f"s{number}", "coordinateTransformations": steps})
    entry = {"name": "image", "axes": list(map(axis, letters)), "datasets": datasets}
    if shared:
        entry["coordinateTransformations"] = [{"type": "scale", "scale": shared}]
    if version == "0.4":
        group.attrs["multiscales"] = [entry | {"version": "0.4"}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}
    return path


def make_labels(path, letters="yx", shape=(101, 70), level=0, location=None, dtype=np.uint32):
    """Write a label image of small random labels; return them."""
    layout = Layout(
        axes=Axes.of(letters, shape), dtype=np.dtype(dtype), chunk=(32, 32), tile=(32, 32),
        factors=(), cells=(1, 1), cell_chunk=(1, 1),
    )  # fmt: skip
    create_arrays(path, layout)
    labels = np.random.default_rng(0).integers(0, 4, shape, dtype)
    zarr.open_array(path / "0", mode="r+")[...] = labels
    finish_image(path, layout, "x", {"level": level, "georeference": None, "location": location})
    return labels


def files_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read_by_napari(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return napari_ome_zarr.napari_get_reader(str(path))(str(path))


def level_of(labels, fine, shape):
    """Return the mode of a level, fitted as plain numpy would."""
    factor = tuple(max(1, round(a / b)) for a, b in zip(fine.shape[-2:], shape[-2:], strict=True))
    planes = [mode_downsample(fine[place], factor) for place in np.ndindex(fine.shape[:-2])]
    stacked = np.stack(planes).reshape(*fine.shape[:-2], *planes[0].shape)
    pad = [(0, max(0, n - m)) for n, m in zip(shape, stacked.shape, strict=True)]
    return np.pad(stacked, pad, mode="edge")[tuple(slice(n) for n in shape)]


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_lie_on_the_image_in_its_version(tmp_path, version):
    image = make_image(tmp_path / "image.zarr", version)
    labels = make_labels(tmp_path / "x.zarr")
    path = write_into(tmp_path / "x.zarr", image, "cells")
    assert path == image / "labels" / "cells"
    group = zarr.open_group(path, mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)
    np.testing.assert_array_equal(group["0"][:], labels)
    assert group["1"].shape == (50, 35)
    np.testing.assert_array_equal(group["1"][:], mode_downsample(labels, (2, 2))[:50])
    assert group["0"].dtype == np.uint32
    parsed = VALIDATORS[version].from_zarr(group)
    attributes = parsed.attributes if version == "0.4" else parsed.attributes.ome
    assert attributes.image_label.source.image == "../../"
    multiscale = attributes.multiscales[0]
    assert [a.name for a in multiscale.axes] == ["y", "x"]
    assert [a.unit for a in multiscale.axes] == ["micrometer", "micrometer"]
    scale, translation = multiscale.datasets[1].coordinateTransformations
    assert (scale.scale, translation.translation) == ([1.0, 1.0], [1.0, 2.0])
    assert open_labels(path).provenance["level"] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_image_and_its_list_of_labels_are_valid(tmp_path, version):
    image = make_image(tmp_path / "image.zarr", version)
    make_labels(tmp_path / "x.zarr")
    write_into(tmp_path / "x.zarr", image, "one")
    write_into(tmp_path / "x.zarr", image, "two")
    opened = open_ome_zarr(zarr.open_group(image, mode="r"))
    assert str(opened.ome_zarr_version) == version
    listed = opened.labels.attributes
    assert (listed if version == "0.4" else listed.ome).labels == ["one", "two"]


@pytest.mark.parametrize("version", VERSIONS)
def test_napari_ome_zarr_opens_image_and_labels(tmp_path, version):
    image = make_image(tmp_path / "image.zarr", version)
    labels = make_labels(tmp_path / "x.zarr")
    write_into(tmp_path / "x.zarr", image, "cells")
    (_, shown, kind), (levels, facts, label_kind) = read_by_napari(image)
    assert (kind, label_kind) == ("image", "labels")
    assert facts["name"].endswith("labels/cells")
    np.testing.assert_array_equal(levels[0].compute(), labels)
    assert [level.shape for level in levels] == [(101, 70), (50, 35)]
    assert facts["scale"] == shown["scale"] == [0.5, 0.5]
    assert facts["units"] == shown["units"]


@pytest.mark.parametrize("version", VERSIONS)
def test_planes_stay_planes_and_what_all_levels_share_is_kept(tmp_path, version):
    shapes = ((2, 3, 4, 20, 31), (2, 3, 4, 5, 8))
    shared = [1.0, 1.0, 2.0, 2.0, 2.0]
    image = make_image(tmp_path / "i.zarr", version, "tczyx", shapes, shared)
    labels = make_labels(tmp_path / "x.zarr", "tzyx", (2, 4, 20, 31), dtype=np.uint64)
    group = zarr.open_group(write_into(tmp_path / "x.zarr", image, "cells"), mode="r")
    np.testing.assert_array_equal(group["0"][:], labels)
    np.testing.assert_array_equal(group["1"][:], level_of(labels, labels, (2, 4, 5, 8)))
    assert group["0"].dtype == np.uint64
    attributes = group.attrs.asdict()
    entry = attributes.get("ome", attributes)["multiscales"][0]
    assert entry["coordinateTransformations"] == [{"type": "scale", "scale": [1.0, 2.0, 2.0, 2.0]}]
    VALIDATORS[version].from_zarr(group)


@pytest.mark.parametrize(
    "plane_shapes",
    [
        ((100, 70), (50, 35), (25, 17), (12, 8)),
        ((101, 71), (51, 36)),
        ((100, 70), (51, 36)),
        ((5, 7), (2, 3), (1, 1)),
        ((90, 60), (30, 60)),
        ((1, 9), (1, 4)),
    ],
)
@pytest.mark.parametrize("edge", [16, 4096])
def test_levels_have_the_shapes_of_the_image(tmp_path, monkeypatch, plane_shapes, edge):
    monkeypatch.setattr(into, "CHUNK_PX", 8)
    monkeypatch.setattr(into, "MODE_PX", edge)
    image = make_image(tmp_path / "image.zarr", "0.5", "yx", plane_shapes)
    fine = make_labels(tmp_path / "x.zarr", shape=plane_shapes[0])
    group = zarr.open_group(write_into(tmp_path / "x.zarr", image, "cells"), mode="r")
    assert sorted(group.array_keys()) == [str(i) for i in range(len(plane_shapes))]
    for number, shape in enumerate(plane_shapes[1:], start=1):
        fine = level_of(fine, fine, shape)
        np.testing.assert_array_equal(group[str(number)][:], fine)


def test_the_image_is_found_by_what_the_run_wrote_down(tmp_path):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "x.zarr", location=str(image))
    make_labels(tmp_path / "memory.zarr")
    assert write_into(tmp_path / "x.zarr", None, "cells") == image / "labels" / "cells"
    with pytest.raises(InputError, match="was an array in memory, which has no place for labels"):
        write_into(tmp_path / "memory.zarr", None, "cells")


def test_the_image_of_a_collection_is_the_one_that_is_read(tmp_path):
    root = zarr.create_group(tmp_path / "all.zarr")
    root.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    make_image(tmp_path / "all.zarr" / "0")
    make_labels(tmp_path / "x.zarr", location=open_source(tmp_path / "all.zarr").location)
    path = write_into(tmp_path / "x.zarr", None, "cells")
    assert path == tmp_path / "all.zarr" / "0" / "labels" / "cells"


@pytest.mark.parametrize("version", VERSIONS)
def test_consolidated_metadata_is_renewed(tmp_path, version):
    image = make_image(tmp_path / "image.zarr", version)
    make_labels(tmp_path / "x.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(image)
    write_into(tmp_path / "x.zarr", image, "cells")
    assert len(read_by_napari(image)) == 2


def test_the_image_itself_stays_the_same(tmp_path):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "x.zarr")
    before, identity = files_in(image), open_source(image).identity
    write_into(tmp_path / "x.zarr", image, "cells")
    assert {n: c for n, c in files_in(image).items() if not n.startswith("labels/")} == before
    assert open_source(image).identity == identity


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_of_that_name_are_kept(tmp_path, version):
    image = make_image(tmp_path / "image.zarr", version)
    make_labels(tmp_path / "x.zarr")
    write_into(tmp_path / "x.zarr", image, "cells")
    before = files_in(image)
    with pytest.raises(OutputError, match="has labels called 'cells' already"):
        write_into(tmp_path / "x.zarr", image, "cells")
    assert files_in(image) == before


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "__x", "a\\b"])
def test_a_name_must_be_plain(tmp_path, name):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "x.zarr")
    with pytest.raises(InputError, match="cannot be called"):
        write_into(tmp_path / "x.zarr", image, name)
    assert not (image / "labels").exists()


def test_labels_that_do_not_lie_on_the_image_are_refused(tmp_path):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "part.zarr", shape=(64, 70))
    make_labels(tmp_path / "coarse.zarr", shape=(50, 35), level=1)
    make_labels(tmp_path / "stack.zarr", "zyx", (1, 101, 70))
    make_labels(tmp_path / "whole.zarr")
    cases = {
        "part.zarr": "axes yx of 64 x 70, but .* has yx of 101 x 70 .* without region",
        "stack.zarr": "axes zyx of 1 x 101 x 70",
        "coarse.zarr": "made on level 1, .* run with level=0",
    }
    for name, words in cases.items():
        with pytest.raises(InputError, match=words):
            write_into(tmp_path / name, image, "cells")
    uneven = make_image(tmp_path / "uneven.zarr", shapes=((3, 101, 70), (3, 70, 48)))
    with pytest.raises(
        InputError, match=r"Level 1 of .* has 70 x 48 of 101 x 70 samples, no whole"
    ):
        write_into(tmp_path / "whole.zarr", uneven, "cells")
    assert not (image / "labels").exists()


def test_what_is_no_image_of_a_version_that_is_written_is_refused(tmp_path):
    make_labels(tmp_path / "x.zarr")
    zarr.create_array(tmp_path / "array.zarr", shape=(101, 70), dtype="u1")
    new = make_image(tmp_path / "new.zarr")
    group = zarr.open_group(new)
    group.attrs["ome"] = group.attrs["ome"] | {"version": "0.9"}
    broken = make_image(tmp_path / "broken.zarr")
    shutil.rmtree(broken / "s1")
    cases = [
        (tmp_path / "nowhere.zarr", SourceError, "no zarr"),
        (tmp_path / "array.zarr", SourceError, "is an array and no OME-Zarr image"),
        (new, InputError, "is OME-Zarr 0.9 in zarr v3, but labels are written into 0.4"),
        (broken, SourceError, "The OME-Zarr metadata of .* are broken"),
    ]
    for image, kind, words in cases:
        with pytest.raises(kind, match=words):
            write_into(tmp_path / "x.zarr", image, "cells")
    with pytest.raises(SourceError, match="no label image"):
        write_into(tmp_path / "y.zarr", new, "cells")


def test_a_damaged_chunk_leaves_the_image_as_it_was(tmp_path):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "x.zarr")
    chunk = sorted((tmp_path / "x.zarr" / "0" / "c").rglob("*"))[-1]
    chunk.write_bytes(b"\x00" + chunk.read_bytes()[:9])
    before = files_in(image)
    with pytest.raises(SourceError, match=r"A chunk of the labels .*x\.zarr .* cannot be read"):
        write_into(tmp_path / "x.zarr", image, "cells")
    assert files_in(image) == before
    assert [p.name for p in image.iterdir() if p.name.startswith(".")] == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "x.zarr")
    (image / "labels").write_text("a file where the folder should be")
    before = files_in(image)
    with pytest.raises(OutputError, match=r"could not be written into .* read-only"):
        write_into(tmp_path / "x.zarr", image, "cells")
    assert files_in(image) == before


def _die_while_writing(labels, image):
    into._reduce = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    write_into(labels, image, "cells")


def test_a_killed_writer_lists_nothing(tmp_path):
    image = make_image(tmp_path / "image.zarr")
    make_labels(tmp_path / "x.zarr")
    child = multiprocessing.get_context("spawn").Process(
        target=_die_while_writing, args=(tmp_path / "x.zarr", image)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not (image / "labels").exists()
    assert len(read_by_napari(image)) == 1
    open_ome_zarr(zarr.open_group(image, mode="r"))
    write_into(tmp_path / "x.zarr", image, "cells")
    assert len(read_by_napari(image)) == 2
