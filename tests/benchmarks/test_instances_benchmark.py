"""The benchmark of instances at a tiny size: both ways find the same."""

import numpy as np
from scipy import ndimage


def rows_in(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_both_ways_find_the_same(benchmark_script, capsys):
    script = benchmark_script("instances")
    script.main(["--sizes", "300", "--square", "16", "--workers", "1"])
    ours, scipy = rows_in(capsys.readouterr().out)
    assert ours["objects"] == scipy["objects"]
    assert int(ours["objects"]) > 100
    assert scipy["pixels that differ"] == "0"
    assert float(ours["peak MB"]) > 10


def test_some_discs_touch(benchmark_script):
    image = benchmark_script("instances").discs(320, 16, (0, 0))
    assert 200 < ndimage.label(image)[1] < 400
    assert image.shape == (320, 320)
    assert set(np.unique(image)) == {0, 1}
