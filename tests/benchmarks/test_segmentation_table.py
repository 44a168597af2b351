"""The table of segmentation networks: what it says, and that what is done is not done again."""

import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

SPEED = "network,ms\nFCN-32,10\nHCFCN-32,12\n"


@pytest.fixture
def nuclei(tmp_path):
    """Ten images of a bright square."""
    folder = tmp_path / "nuclei"
    folder.mkdir()
    for number in range(10):
        labels = np.zeros((64, 64), np.uint8)
        labels[16:40, 8 + number : 40] = 1 + number
        image = (40 + 150 * (labels > 0)).astype(np.uint8)
        imsave(folder / f"{number}.png", image, check_contrast=False)
        imsave(folder / f"{number}.labels.png", labels, check_contrast=False)
    return folder


def test_segmentation_table(benchmark_script, nuclei, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    script = benchmark_script("segmentation_table")
    out = tmp_path / "out"
    out.mkdir()
    (out / "speed.csv").write_text(SPEED)  # 1024 x 2048 pixels take too long here
    given = ["--nuclei", str(nuclei), "--out", str(out), "--networks", "FCN-32", "HCFCN-32"]
    given += ["--steps", "1", "--crop", "64", "--batch", "2", "--device", "cpu"]
    script.main(given)
    assert capsys.readouterr().out.count("mIoU") == 2
    table = (out / "table.md").read_text()
    assert "| HCFCN-32 | FCN-32 |" in " ".join(table.split())
    assert "x 1.20" in table
    rows = script.results(out / "results.csv")
    assert [(row["set"], row["network"], row["seed"]) for row in rows] == [
        ("nuclei", "FCN-32", "0"),
        ("nuclei", "HCFCN-32", "0"),
    ]
    script.main(given)
    assert capsys.readouterr().out == ""
    assert script.results(out / "results.csv") == rows
    sys.modules.pop("segmentation_speed", None)
