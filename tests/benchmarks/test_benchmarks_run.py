"""Each benchmark at a tiny size: it runs, and its table says what it must."""

import os
import subprocess
import sys

import numpy as np
import pytest
from skimage.data import astronaut
from skimage.io import imread, imsave

import napari_superpixels as nsp
from napari_superpixels.models.compute import has_bfloat16
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights
from napari_superpixels.tiling import Box


def table_of(text):
    """The rows of the last markdown table, as dictionaries."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    imsave(path, astronaut()[60:220, 130:330], check_contrast=False)
    return path


@pytest.fixture
def annotated(tmp_path):
    """Two annotated images, in a folder."""
    for number in range(2):
        crop = astronaut()[100 : 100 + 96, number * 90 : number * 90 + 128]
        imsave(tmp_path / f"{number}.png", crop, check_contrast=False)
        truth = (crop.mean(axis=2) > 90).astype(np.uint16)
        np.savez(tmp_path / f"{number}.npz", segmentations=truth[np.newaxis])
    return tmp_path


def test_quality(benchmark_script, annotated, capsys):
    given = ["--data", str(annotated), "--steps", "12", "--workers", "1"]
    benchmark_script("quality").main(given)
    rows = table_of(capsys.readouterr().out)
    assert [row["clean-up"] for row in rows] == ["native", "papers"]
    for row in rows:
        assert 60 <= int(row["K"]) <= 250
        assert float(row["ASA"]) > 0.8
        gain = float(row["ASA"]) - float(row["skimage ASA at K"])
        assert float(row["ASA gain"]) == pytest.approx(gain, abs=2e-4)


def test_precision(benchmark_script, annotated, capsys):
    given = ["--data", str(annotated), "--methods", "scn", "--device", "cpu", "--limit", "1"]
    if not has_bfloat16():
        pytest.skip("this processor does not multiply bfloat16")
    benchmark_script("precision").main(given)
    (row,) = table_of(capsys.readouterr().out)
    assert row["images"] == "1"
    assert 0 < float(row["share differing"]) < 0.2
    assert abs(float(row["ASA change"])) < 0.01


def test_tile_borders(benchmark_script, tmp_path, capsys):
    for number in range(2):
        crop = astronaut()[100 : 100 + 96, number * 90 : number * 90 + 128]
        imsave(tmp_path / f"{number}.png", crop, check_contrast=False)
        truth = (crop.mean(axis=2) > 90).astype(np.uint16)
        np.savez(tmp_path / f"{number}.npz", segmentations=truth[np.newaxis])
    weights = tmp_path / "weights"
    weights.mkdir()
    picture = tmp_path / "borders.png"
    given = ["--data", tmp_path, "--size", 256, "--square", 90, "--tile", 128, "--view", 64]
    for name in ("scn", "pcnet"):
        given += [f"--{name}", write_random_weights(weights, name)]
    benchmark_script("tile_borders").main([*map(str, given), "--picture", str(picture)])
    exact, naive, pcnet = table_of(capsys.readouterr().out)
    assert naive["share there"] == "1.0000"
    assert naive["boundary pairs on tile borders"] == str(2 * 256)
    for row in (exact, pcnet):
        assert float(row["share there"]) < 0.9
        assert 30 < int(row["superpixels"]) <= 256
    assert exact["BR"] != naive["BR"]
    drawn = imread(picture)
    assert drawn.shape == (2 * 64 + 12, 3 * (2 * 64 + 12), 3)
    ticks = (drawn == (200, 0, 0)).all(axis=2)
    assert ticks[:6, : drawn.shape[0]].sum() == 2 * 6
    assert ticks.sum() == 3 * 4 * 2 * 6


def test_borders_are_counted_near_tiles_and_on_them(benchmark_script):
    borders = benchmark_script("tile_borders")
    near = borders.near_borders((200, 128), 64, 3)
    inside = [y for y in range(200) if near[y, 20]]
    assert inside == [*range(61, 67), *range(125, 131), *range(189, 195)]
    labels = np.zeros((256, 256), np.int64)
    labels[128:] = 1
    labels[:, 64:] += 2
    assert borders.boundaries_on_borders(labels, 128) == (256, 0.5, 0.25)


def test_speed(benchmark_script, annotated, capsys):
    given = ["--size", "128", "--square", "64", "--repeats", "2", "--threads", "2"]
    given += ["--chunk", "64", "--step", "12", "--data", str(annotated), "--quality-limit", "1"]
    benchmark_script("speed").main([*given, "--images", "slide", str(annotated / "0.png")])
    text = capsys.readouterr().out
    assert "cores" in text
    tables = text.split("Pixels of: ")[1:]
    assert [table.split()[0] for table in tables] == ["slide", "0.png"]
    for table in tables:
        rows = {row["what"]: row for row in table_of(table)}
        names = {"slic, lazy array", "slic, model, 2 threads", "slic, model, 1 threads", "skimage"}
        assert names | {"dask map_overlap, skimage", "opencv SEEDS", "opencv LSC"} <= set(rows)
        assert rows["skimage"]["x skimage"] == "1.0"
        assert all(float(row["Mpx/s"]) > 0 for row in rows.values())
        assert rows["dask map_overlap, skimage"]["ASA"] == ""
        for name in names:
            assert float(rows[name]["ASA"]) > 0.8
            assert 20 < int(rows[name]["K"]) < 200
        assert rows["slic, lazy array"]["BR"] == rows["slic, model, 1 threads"]["BR"]


def test_stages(benchmark_script, picture, capsys):
    stages = benchmark_script("stages")
    stages.main(["--size", "96", "--square", "64", "--repeats", "1", "--images", str(picture)])
    rows = {r["ns a pixel"]: float(r[str(picture)]) for r in table_of(capsys.readouterr().out)}
    assert rows.keys() == {*stages.STAGES, stages.WHOLE, *stages.after(np.full((9, 9), 4), 3)}
    parts = [rows[name] for name in stages.STAGES if not name.startswith("of that")]
    assert 0 < sum(parts) <= rows[stages.WHOLE] * 1.01
    assert not hasattr(stages.clustering.rgb_to_lab, "__wrapped__")
    assert stages.clustering.rgb_to_lab.__name__ == "rgb_to_lab", "nothing stays wrapped"


def test_the_pipeline_of_others_covers_every_pixel(benchmark_script):
    image = astronaut()[:130, :150]
    labels = benchmark_script("speed").map_overlap(image, 80, chunk=64, threads=1, iterations=2)[
        ..., 0
    ]
    assert labels.shape == image.shape[:2]
    assert labels.min() > 0
    assert not set(np.unique(labels[:64, :64])) & set(np.unique(labels[64:, 64:])), "blocks differ"


def test_scaling(benchmark_script, tmp_path, capsys):
    given = ["--size", "128", "--square", "64", "--repeats", "1", "--threads", "1", "2"]
    given += ["--windows", "64", "128", "--megapixels", "0.01", "0.02", "--folder", str(tmp_path)]
    benchmark_script("scaling").main(given)
    rows = table_of(capsys.readouterr().out)
    assert [row["varied"] for row in rows] == 2 * ["threads"] + 2 * ["window, px"] + 2 * [
        "megapixels"
    ]
    assert [row["value"] for row in rows] == ["1", "2", "64", "128", "0.01", "0.02"]
    assert all(float(row["Mpx/s"]) > 0 for row in rows)
    for name in ("threads", "window", "megapixels"):
        assert imread(tmp_path / f"scaling-{name}.png").std() > 5, "something is drawn"


def test_positions(benchmark_script, annotated, capsys):
    folder = str(annotated)
    given = ["--images", folder, "--val-images", folder, "--steps", "2", "--crop", "40"]
    benchmark_script("positions").main(given)
    rows = {row["position"]: row for row in table_of(capsys.readouterr().out)}
    assert rows.keys() == {"cell", "none", "absolute"}
    moved = {name: float(row["moved"]) for name, row in rows.items()}
    assert 0 <= moved["none"] < moved["absolute"]
    assert 0 < moved["cell"] < moved["absolute"], "the content lies elsewhere in its cells"
    assert moved["absolute"] > 1
    assert all(abs(float(row["after the shift"])) < 0.2 for row in rows.values())


def test_learns(benchmark_script, tmp_path, capsys):
    """Two regions of one colour on average, whose texture alone tells them apart."""
    rng = np.random.default_rng(0)
    y, x = np.indices((195, 234))
    region = (x + 20 * np.sin(y / 15) > 110).astype(np.uint8)
    grey = np.where(region, 120 + 30 * ((x + y) // 3 % 2 * 2 - 1), 120) + rng.normal(0, 4, x.shape)
    imsave(tmp_path / "two.png", grey.clip(0, 255).astype(np.uint8), check_contrast=False)
    imsave(tmp_path / "two.labels.png", region, check_contrast=False)
    given = [str(tmp_path / "two.png"), "--steps", "20", "--networks", "scn"]
    benchmark_script("learns").main(given)
    (row,) = table_of(capsys.readouterr().out)
    assert float(row["gain"]) > 0.02
    assert row["steps to +0.02"] in {"10", "20"}


def script(repository, name, *given):
    source = str(repository / "src")
    environment = {
        **os.environ,
        "PYTHONPATH": source + os.pathsep + os.environ.get("PYTHONPATH", ""),
    }
    command = [sys.executable, str(repository / "benchmarks" / f"{name}.py"), *map(str, given)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=300
    ).stdout


@pytest.mark.parametrize("method", ["slic", "scn", "ssn"])
def test_large(repository, tmp_path, method):
    given = ["--sizes", 200, 330, "--square", 150, "--window", 128, "--method", method]
    given += ["--pictures", tmp_path]
    if method != "slic":
        given += ["--weights", write_random_weights(tmp_path, method)]
    text = script(repository, "large", *given)
    rows = table_of(text)
    assert [row["mosaic"] for row in rows] == ["200 x 200", "330 x 330"]
    assert imread(tmp_path / "scaling-megapixels.png").std() > 5, "something is drawn"
    for row in rows:
        assert row["in several pieces"] == row["pixels outside 3 x 3"] == "0"
        assert row["pixels without label"] == "0"
        assert int(row["superpixels"]) > 100
        assert float(row["peak MB"]) > 10


def test_preview(benchmark_script, tmp_path, capsys):
    preview = benchmark_script("preview")
    given = ["--size", "5000", "--steps", "16", "--places", "2", "--folder", str(tmp_path)]
    preview.main(given)
    text = capsys.readouterr().out
    rows = table_of(text)
    kinds = [row["level"] for row in rows]
    assert kinds == ["0: exact", "1: approximate", "2: approximate", "5: cells"]
    for row in rows[:-1]:
        assert int(row["tiles a screen"]) >= 1
        assert 0 < float(row["first tile s"]) <= float(row["whole screen s"])
    assert "5000 x 5000 RGB" in text


def test_the_large_image_is_a_square_of_the_slide_over_and_over(benchmark_script, tmp_path):
    preview = benchmark_script("preview")
    image = preview.read_image(preview.SLIDE)
    path = tmp_path / "large.zarr"
    preview.write_pyramid(path, image, 9000)
    source = nsp.open(path, rgb=True)
    assert source.level_shapes[0] == (9000, 9000)
    assert max(source.level_shapes[-1]) <= 512
    for y, x in [(0, 0), (2048, 6144), (6144, 4096), (8192, 8192)]:
        part = source.read(0, Box.of((y, y + 700), (x, x + 700))).pixels
        np.testing.assert_array_equal(part, image[:700, :700].transpose(2, 0, 1))
    coarse = nsp.open(path, rgb=True, level=3).read(0, Box.of((256, 512), (768, 1024))).pixels
    means = image[:2048, :2048].reshape(256, 8, 256, 8, 3).mean(axis=(1, 3))
    assert abs(coarse - means.transpose(2, 0, 1)).max() < 4
    assert preview.disk_bytes(path) < 12e6


def test_the_check_of_large_images_finds_faults(benchmark_script):
    labels = np.kron(np.arange(1, 17, dtype=np.uint32).reshape(4, 4), np.ones((8, 8), np.uint32))
    check = benchmark_script("large").check
    sound = check(labels, 8, 2)
    assert (sound.split, sound.outside, sound.unlabelled) == (0, 0, 0)
    labels[0, 0] = 16  # three cells away: outside, and no piece that its own window sees
    labels[10, 2] = 1  # a second piece of the first cell's label
    labels[31, 31] = 0
    faults = check(labels, 8, 2)
    assert (faults.split, faults.outside, faults.unlabelled) == (1, 1, 1)


def test_equality(repository, picture):
    sizes = ["--windows", 32, 64, "--iterations", 2, "--steps", 8, "--noise", 256]
    rows = table_of(script(repository, "equality", "--images", picture, *sizes))
    whole = [row for row in rows if not row["what"].startswith("halo short")]
    assert {row["differing pixels"].split()[0] for row in whole} <= {"0", "too"}
    assert len(whole) == 2 + 5 + 2 + 2 + 1
    killed = next(row for row in rows if row["what"] == "killed and resumed")
    assert killed["differing pixels"].startswith("0 (")
    short = [row for row in rows if row["what"] == "halo short by 8"]
    assert all(int(row["differing pixels"]) > 0 for row in short), "the comparison cannot fail"


@pytest.mark.parametrize("method", ["scn", "ssn"])
def test_network_equality(repository, picture, tmp_path, method):
    weights = write_random_weights(tmp_path, method)
    sizes = ["--core", 128, "--cores", 96, "--short", 64, "--noise", 280, "--step", 8]
    given = ["--images", picture, "--methods", method, "--weights", f"{method}={weights}", *sizes]
    rows = table_of(script(repository, "network_equality", *given))
    found = {(row["image"], row["what"]): row["differing pixels"] for row in rows}
    raw = ", raw" if method == "scn" else ""
    same = ["again", "dask 160 x 200", "dask 160 x 128", "run", f"core 96{raw}"]
    for what in (*same, "killed and resumed"):
        assert found["0-picture", what].startswith("0"), what
    short = "halo short by 2 cells" + (", logits" if method == "scn" else "")
    assert not found["noise 280", short].startswith("0 "), "the comparison cannot fail"
    assert all(row["weights"] == weights.name for row in rows)
    if method == "scn":
        assert found["0-picture", "start at 40, 72, raw"].startswith("0 of ")
        assert found["any", "cells that a NaN spoils, of those declared"] in ("5 of 5", "6 of 6")


def test_segmentation_mismatch(repository, picture, tmp_path):
    """Smaller patches give a network that pools other classes; an exact one does not show how
    its windows lay."""
    weights = [write_random_segmentation(tmp_path, name) for name in ("HCPSPNet", "HCFPN")]
    given = ["--images", picture, "--weights", *weights, "--patches", 64, 128, 256]
    rows = table_of(script(repository, "segmentation_mismatch", *given))
    found = {(row["weights"], row["edge"], row["against"]): row for row in rows}
    assert len(found) == 2 * 3
    pooled, exact = found["HCPSPNet-0", "64", "whole"], found["HCFPN-0", "64", "whole"]
    assert (pooled["by"], exact["by"]) == ("patches", "windows")
    assert float(pooled["largest change"]) > 0.01
    near, elsewhere, all_px = (
        float(pooled[name].rstrip("%")) for name in ("near borders", "elsewhere", "other class")
    )
    assert min(near, elsewhere) <= all_px <= max(near, elsewhere)
    assert all_px > 0
    assert exact["other class"] == exact["near borders"] == "0.0000%"
    assert exact["largest change"] == "0.000"


def test_segmentation_mismatch_tells_where_borders_lie(benchmark_script, tmp_path):
    script = benchmark_script("segmentation_mismatch")
    image = np.zeros((96, 256, 3), np.uint8)
    by_windows = script.Case(write_random_segmentation(tmp_path, "HCFPN"), "", image).near(128)
    assert np.flatnonzero(by_windows[0]).tolist() == list(range(128 - 16, 128 + 16))
    assert (by_windows == by_windows[0]).all(), "there is one row of windows"
    by_patches = script.Case(write_random_segmentation(tmp_path, "HCPSPNet"), "", image).near(128)
    starts_and_stops = [96, 128, 224]  # every 96 px, and the last one ends with the image
    expected = {px + d for px in (*starts_and_stops, 128) for d in range(-16, 16)}
    assert set(np.flatnonzero(by_patches[0])) >= expected
    assert not by_patches[0, :80].any()


def test_end_to_end(benchmark_script, tmp_path, capsys):
    trace = tmp_path / "trace.json"
    given = ["--size", "160", "--square", "80", "--chunk", "64", "--repeats", "1", "--check"]
    given += ["--iterations", "2", "--window", "64", "--workers", "2", "--profile", str(trace)]
    benchmark_script("end_to_end").main(given)
    text = capsys.readouterr().out
    memory, files = table_of(text)
    assert memory["of memory's speed"] == memory["of its speed by CPU s"] == "100%"
    assert files["what"] == "OME-Zarr to OME-Zarr"
    assert float(files["CPU s"]) > 0
    assert "bounds it" in text
    assert trace.exists()


def test_planning(benchmark_script, capsys):
    benchmark_script("planning").main(["--windows", "16", "400"])
    small, large = table_of(capsys.readouterr().out)
    assert (small["windows"], large["windows"]) == ("16", "400")
    assert float(large["plan, MB"]) < 50


def test_segmentation_speed(benchmark_script, capsys):
    given = ["--size", "32", "64", "--repeats", "2", "--device", "cpu"]
    benchmark_script("segmentation_speed").main(given)
    rows = {row["network"]: row for row in table_of(capsys.readouterr().out)}
    assert len(rows) == 9
    assert rows["FCN-32"]["x FCN-32"] == "1.00"
    slow, fast = (float(rows[name]["ms"]) for name in ("PSPNet", "HCPSPNet"))
    told = float(rows["HCPSPNet"]["atrous form / this"])
    assert told == pytest.approx(slow / fast, rel=0.1)
    assert {name for name, row in rows.items() if row["halo px"] == "not exact"} == {
        "PSPNet", "HCPSPNet", "DeepLabv3", "HCDeepLabv3",
    }  # fmt: skip
