"""Images that break, vanish or change while they are labelled, and windows that fail."""

import os
from dataclasses import dataclass

import numpy as np
import pytest
import tifffile
import zarr

import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone, TileFailed
from napari_superpixels.engine.manifest import check_libraries, judge, manifest_of
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.run import run_plan
from napari_superpixels.errors import IncompleteRunError, OutputError, SourceError
from napari_superpixels.io import open_source
from napari_superpixels.io.sampling import PLACES, sample_places, samples_of
from napari_superpixels.testing.fake import Fake, FakeModel
from napari_superpixels.testing.files import rewrite
from napari_superpixels.tiling import Box

SHAPE = (180, 240, 3)
"""Of colours, which need no statistics: those would be measured on the whole of a small image."""
CHUNK = (30, 30, 3)


@pytest.fixture
def image(tmp_path):
    """A zarr of 6 x 8 uncompressed chunks."""
    path = tmp_path / "image.zarr"
    data = np.random.default_rng(0).integers(0, 99, SHAPE, dtype=np.uint8)
    zarr.create_array(path, data=data, chunks=CHUNK, compressors=None)
    return path


@pytest.fixture
def tiff(tmp_path):
    """A TIFF of 16 x 16 tiles."""
    path = tmp_path / "image.tif"
    data = np.random.default_rng(0).integers(0, 99, SHAPE, dtype=np.uint8)
    tifffile.imwrite(path, data, tile=(16, 16), compression="zlib", photometric="rgb")
    return path


def plan_of(path):
    return nsp.plan(opened(path), step=6, iterations=1, window=60)


def opened(path, **options):
    axes = "yxs" if path.suffix == ".zarr" else None
    return nsp.open(path, axes=axes, rgb=True, **options)


def run_until(plan, out, count):
    """Stop a run after some super-tiles."""
    done = []

    def listen(event):
        if isinstance(event, TileDone):
            done.append(event)
            if len(done) == count:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, out, listener=listen, workers=1)
    return RunState(partial_path(out))


def test_a_repaired_tile_of_a_tiff_is_resumed(tiff, tmp_path):
    whole = nsp.run(plan_of(tiff), tmp_path / "whole.zarr").labels[:]
    good = tiff.read_bytes()
    with tifffile.TiffFile(tiff) as file:
        offset, count = file.pages.first.dataoffsets[40], file.pages.first.databytecounts[40]
    tiff.write_bytes(good[:offset] + b"\xff" * count + good[offset + count :])
    out = tmp_path / "out.zarr"
    with pytest.raises(IncompleteRunError, match=r"tiles failed, the first at y .*cannot be dec"):
        nsp.run(plan_of(tiff), out)
    tiff.write_bytes(good)  # with another time: as everyone repairs
    np.testing.assert_array_equal(nsp.resume(out).labels[:], whole)
    made = zarr.open_group(out, mode="r").attrs["napari_superpixels"]["source"]["identity"]
    assert made == opened(tiff).identity, "the output says of which image it is"


def test_a_repair_noticed_by_a_killed_run_counts_too(image, tmp_path):
    whole = nsp.run(plan_of(image), tmp_path / "whole.zarr").labels[:]
    chunk = image / "c" / "0" / "0" / "0"
    good, out = chunk.read_bytes(), tmp_path / "out.zarr"
    chunk.write_bytes(b"no chunk")

    def listen(event):
        if isinstance(event, TileFailed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan_of(image), out, listener=listen, workers=1)
    chunk.write_bytes(good)
    np.testing.assert_array_equal(nsp.resume(out).labels[:], whole)


def test_another_image_is_no_repair(image, tmp_path):
    chunk, out = image / "c" / "0" / "0" / "0", tmp_path / "out.zarr"
    chunk.write_bytes(b"no chunk")
    with pytest.raises(IncompleteRunError):
        nsp.run(plan_of(image), out)
    data = np.random.default_rng(1).integers(0, 99, SHAPE, dtype=np.uint8)
    zarr.create_array(image, data=data, chunks=CHUNK, compressors=None, overwrite=True)
    with pytest.raises(OutputError, match=r"changed since .* was begun: its pixels at y \d+:\d+"):
        nsp.resume(out)


def test_a_change_without_any_failure_is_refused(image, tmp_path):
    out = tmp_path / "out.zarr"
    run_until(plan_of(image), out, 3)
    os.utime(image / "c" / "5" / "7" / "0", ns=(1, 1))
    with pytest.raises(OutputError, match=r"the image has changed since.*resume with that one"):
        nsp.resume(out)


def test_a_sampled_pixel_that_changed_with_its_time_kept_is_found(image, tmp_path):
    out = tmp_path / "out.zarr"
    run_until(plan_of(image), out, 3)
    _, box = list(sample_places(opened(image)))[5]
    y, x = box.start
    chunk = image / "c" / str(y // 30) / str(x // 30) / "0"
    data = bytearray(chunk.read_bytes())
    data[0] ^= 1
    rewrite(chunk, data)
    with pytest.raises(OutputError, match=rf"its pixels at y {y}:\d+, x {x}:\d+ are others"):
        nsp.resume(out)


@pytest.mark.parametrize("part", [None, (1, 2)])
def test_an_image_that_changed_since_it_was_planned_is_planned_again(image, part, tmp_path):
    """Its statistics would be of the image before, and no resume could tell."""
    plan, out = plan_of(image), tmp_path / "out.zarr"
    os.utime(image / "c" / "5" / "7" / "0", ns=(1, 1))
    with pytest.raises(SourceError, match=r"has changed since it was planned.*and plan again"):
        nsp.run(plan, out, part=part)
    nsp.run(plan_of(image), out, part=part)


def test_an_image_that_changes_while_it_is_read_is_not_labelled(image, tmp_path):
    def change(event):
        if isinstance(event, TileDone):
            os.utime(image / "c" / "5" / "7" / "0", ns=(1, 1))

    out = tmp_path / "out.zarr"
    with pytest.raises(SourceError, match=r"changed while it was read.*remove .* and run again"):
        run_plan(plan_of(image), out, listener=change)
    assert not out.exists()


def test_a_chunk_that_vanishes_while_it_is_read_is_noticed(image, tmp_path):
    """To the format it would be of the fill value."""

    def remove(event):
        if isinstance(event, TileDone):
            (image / "c" / "5" / "7" / "0").unlink(missing_ok=True)

    with pytest.raises(SourceError, match="changed while it was read"):
        run_plan(plan_of(image), tmp_path / "out.zarr", listener=remove)


def test_a_chunk_that_was_never_there_is_the_fill_value(image):
    (image / "c" / "5" / "7" / "0").unlink()
    source = opened(image)
    assert not source.read(0, Box.of((150, 180), (210, 240))).pixels.any()
    assert any("1 of the 48 files" in note and "are read as 0" in note for note in source.notes)


def test_a_folder_that_is_gone_is_not_full_of_the_fill_value(image):
    source = opened(image)
    source.read(0, Box.of((0, 9), (0, 9)))
    image.rename(image.with_name("away.zarr"))
    with pytest.raises(SourceError, match=r"is gone now; put it back.*run again"):
        source.read(0, Box.of((0, 9), (0, 9)))


@pytest.mark.parametrize("harm", ["folder loop", "error", "empty"])
def test_what_cannot_be_read_is_no_fill_value(image, harm):
    chunk = image / "c" / "0" / "0" / "0"
    chunk.unlink()
    if harm == "empty":
        chunk.write_bytes(b"")
    else:
        chunk.symlink_to(chunk if harm == "folder loop" else "/proc/self/mem")
    with pytest.raises(SourceError, match=r"cannot be read \(.*\); replace it"):
        opened(image).read(0, Box.of((0, 9), (0, 9)))


def test_samples_lie_in_the_image_and_are_spread(tmp_path):
    path = tmp_path / "huge.zarr"
    zarr.create_array(path, shape=(3, 90_000, 70_000), chunks=(1, 256, 256), dtype="u1")
    source = open_source(path, axes="zyx")
    places = list(sample_places(source))
    assert places == list(sample_places(source))
    assert len(places) == len(set(places)) == PLACES
    assert {plane for plane, _ in places} == {0, 1, 2}
    starts = np.array([box.start for _, box in places])
    assert (starts % 256 == 0).all()
    for axis, size in enumerate((90_000, 70_000)):
        assert set(np.unique(starts[:, axis] * 4 // size)) == {0, 1, 2, 3}
    assert sum(np.prod(box.shape) for _, box in places) < 8e6
    assert len(samples_of(source)) == PLACES


def test_few_samples_are_taken_of_huge_chunks(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(40_000, 40_000), chunks=(8192, 8192), dtype="u2")
    assert len(list(sample_places(open_source(path)))) == 4


def test_what_could_not_be_sampled_is_sampled_when_it_can(image):
    plan = plan_of(image)
    begun = manifest_of(plan)
    begun["samples"][3] = None
    failures = [{"message": "SourceError: it broke"}]
    assert judge(begun, plan, failures, "out")["samples"] == manifest_of(plan)["samples"]


def test_a_mask_is_part_of_the_samples(image, tmp_path):
    mask = np.ones(SHAPE[:2], np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    one = samples_of(opened(image, mask=tmp_path / "mask.tif"))
    mask[::2] = 0
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    assert samples_of(opened(image, mask=tmp_path / "mask.tif")) != one


def test_other_libraries_are_refused_where_they_matter(image):
    plan = plan_of(image)
    begun = manifest_of(plan)
    assert begun["libraries"] == {}, "integers do not depend on any"
    network = nsp.plan(opened(image), "scn", step=16)
    begun = manifest_of(network)
    check_libraries(begun, network, "out")
    with pytest.raises(OutputError, match=r"out was begun with torch 1\.0, .*; resume it with"):
        check_libraries(begun | {"libraries": {"torch": "1.0"}}, network, "out")


@dataclass(frozen=True)
class Greedy(Fake):
    """Asks for more memory than there is, once or always, where a pixel has the value 255."""

    times: int = 99

    def model(self, facts, statistics):
        return GreedyModel(0, 0, [self.times])


@dataclass(frozen=True)
class GreedyModel(FakeModel):
    """The model of `Greedy`."""

    left: list[int]

    def __call__(self, tile, *, threads=1, pulse):
        if (tile.pixels == 255).any() and self.left[0]:
            self.left[0] -= 1
            np.empty(2**60, np.uint8)
        return super().__call__(tile, threads=threads, pulse=pulse)


@pytest.mark.parametrize(("times", "failed"), [(1, False), (2, True)])
def test_a_window_without_memory_is_tried_again_at_the_end(fake_plan, times, failed, tmp_path):
    pixels = np.zeros((90, 120), np.uint8)
    pixels[4, 4] = 255
    plan = fake_plan(pixels, "yx", method=Greedy(times=times, reach=1), window=32)
    events, out = [], tmp_path / "out.zarr"
    if failed:
        with pytest.raises(IncompleteRunError, match=r"1 of \d+ tiles failed.*MemoryError"):
            run_plan(plan, out, listener=events.append, workers=1)
    else:
        run_plan(plan, out, listener=events.append, workers=1)
        assert out.exists()
    told = [event for event in events if isinstance(event, TileDone | TileFailed)]
    names = [event.tile for event in told if event.tile.startswith("0/")]
    again = names.index("0/0", 1)
    assert names[0] == "0/0"
    assert again >= len(names) - 3, "it is tried again when the rest is done or on its way"
    assert len(set(names)) == plan.tiles
