"""The benchmark of the cluster at a tiny size: nothing of the client grows, no file differs."""

import pytest
from skimage.io import imread

from napari_superpixels.engine.cluster import TASKS_PER_THREAD

pytest.importorskip("distributed")


def test_what_the_client_holds_does_not_grow_with_the_tasks(benchmark_script, tmp_path):
    rows = benchmark_script("cluster").client_rows(400, tmp_path)
    done, futures, on_scheduler = ([int(row[column]) for row in rows] for column in range(3))
    assert done == list(range(40, 401, 40))
    assert max(futures) <= TASKS_PER_THREAD
    assert max(on_scheduler) <= TASKS_PER_THREAD


def test_no_way_of_running_shows_in_the_files(benchmark_script, tmp_path, capsys):
    given = ["--tasks", "10", "--size", "200", "--window", "100", "--processes", "2"]
    benchmark_script("cluster").main([*given, "--folder", str(tmp_path)])
    table = capsys.readouterr().out.split("files that differ")[1]
    rows = [line.split("|") for line in table.splitlines()[2:] if line.startswith("|")]
    differing = {row[1].strip(): row[4].strip() for row in rows}
    assert differing == {"this process, 1 thread": "0", "2 workers": "0", "2 parts": "0"}
    for way in ("workers", "parts"):
        assert imread(tmp_path / f"scaling-{way}.png").std() > 5, "something is drawn"


def test_every_fault_of_a_cluster_ends_with_equal_files(benchmark_script, tmp_path):
    rows = benchmark_script("cluster_faults").rounds(1, 3, tmp_path)
    assert [row[3] for row in rows] == 4 * ["1 of 1 equal"]
