"""The table of distances: what answers without a network get in it, and that trainings go on."""

import json

import numpy as np
import pytest
from skimage.io import imsave

import napari_superpixels as nsp

REACH_PX = 4
SIDE = 24
"""Of the nucleus in each image, in pixels."""


@pytest.fixture
def nuclei(tmp_path):
    """Ten images of a bright square of `SIDE` pixels."""
    folder = tmp_path / "nuclei"
    folder.mkdir()
    for number in range(10):
        labels = np.zeros((64, 64), np.uint8)
        labels[16 : 16 + SIDE, 8 + number : 8 + number + SIDE] = 1 + number
        image = (40 + 150 * (labels > 0)).astype(np.uint8)
        imsave(folder / f"{number}.png", image, check_contrast=False)
        imsave(folder / f"{number}.labels.png", labels, check_contrast=False)
    return folder


def rows_of(text):
    """The rows of the table, by their first cell."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    head, _, *body = [[cell.strip() for cell in line] for line in lines]
    return {row[0]: dict(zip(head[1:], map(float, row[1:]), strict=True)) for row in body}


def rings():
    """How many pixels of the square lie 1, 2, 3, and 4 or more pixels from its border."""
    return [(SIDE - 2 * n) ** 2 - (SIDE - 2 * n - 2) ** 2 for n in range(3)] + [(SIDE - 6) ** 2]


def test_answers_without_a_network(benchmark_script, nuclei):
    script = benchmark_script("distance_table")
    data = script.nuclei(nuclei, REACH_PX, None)
    assert len(data.learned) == 8
    assert len(data.held) == 2
    held = script.truths(data.held)
    answers = {
        name: dict(
            zip(
                (*script.MEASURES, "background", "near", "deep"),
                map(float, script.measured([(each, answer(each)) for each in held], data.near)),
                strict=True,
            )
        )
        for name, answer in script.trivial(data)
    }
    values, counts = np.array([0.25, 0.5, 0.75, 1.0]), np.array(rings())
    given = answers["nuclei given, median"]
    assert given["background"] == 0.0
    share = counts[np.abs(np.log(values)) < np.log(1.25)].sum() / counts.sum()
    assert given["delta1"] == pytest.approx(share, abs=1e-4), "half of all are at least 1 deep"
    assert given["rel"] == pytest.approx(
        (counts * (1 - values) / values).sum() / counts.sum(), abs=1e-4
    )
    constant = answers["mean of all pixels"]
    mean = (counts * values).sum() / 64**2
    spread = np.sqrt((counts * values**2).sum() / 64**2 - mean**2)
    assert constant["rms"] == pytest.approx(spread, abs=1e-4)
    assert constant["background"] == pytest.approx(mean, abs=1e-4)
    assert answers["median of all pixels"]["delta3"] == 0.0


def test_distance_table(benchmark_script, nuclei, tmp_path, capsys):
    script, out = benchmark_script("distance_table"), tmp_path / "out"
    given = ["--nuclei", str(nuclei), "--out", str(out), "--networks", "plain", "--crop", "64"]
    given += ["--steps", "1", "--batch", "2", "--distance-px", "4", "--device", "cpu"]
    script.main(given)
    first = rows_of(capsys.readouterr().out)
    assert set(first) > {"plain", "nuclei given, mean"}
    assert 0 < first["plain"]["rms"] < 1
    card = json.loads((out / "plain.json").read_text())
    assert card["config"]["unit"] == "4 px"
    assert nsp.Segment(weights=str(out / "plain.safetensors"), exact=False).output.kind == "map"
    written = (out / "plain" / "last.pt").stat().st_mtime_ns
    script.main(given)
    assert rows_of(capsys.readouterr().out) == first
    assert (out / "plain" / "last.pt").stat().st_mtime_ns == written, "nothing is trained again"
