"""The benchmark of graphics cards: it says so where there is none; its helpers are right."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.data import astronaut

import napari_superpixels as nsp
from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.cells import Frame
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.kernels.soft import soft_slic
from napari_superpixels.models.clustering import SSN_COMPACTNESS
from napari_superpixels.tiling import Lattice

STEP = 16


@pytest.fixture
def gpu(benchmark_script):
    return benchmark_script("gpu")


def test_without_a_card_one_sentence_says_so(gpu, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "cuda_count", lambda: 0)
    gpu.main([])
    assert capsys.readouterr().out == (
        "There is no CUDA device here, so nothing is measured; run this on a machine with one.\n"
    )


def test_bytes_that_clustering_moves(gpu):
    frame = Frame(Lattice((64, 64), (STEP, STEP)), 3, 1)
    record = 9 * 6 * 4 / 256
    assert gpu.bytes_a_pixel(frame, 10, soft=False) == pytest.approx(3 * 11 + 20 * record + 1)
    several = [gpu.bytes_a_pixel(frame, n, soft=True) for n in (1, 2, 3)]
    assert all(b - a == pytest.approx(3 + 4 * record) for a, b in pairwise(several))


def test_the_plain_form_is_what_the_fused_one_computes(gpu):
    """A peer that computed something else would be no peer."""
    image = astronaut()[60:156, 130:258]
    features = gpu.soft_features(image, STEP)
    assert features.shape == (5, 96, 128)
    plain = gpu.plain_soft(features, STEP, 5).numpy()
    quanta = Quanta.for_compactness(SSN_COMPACTNESS)
    lab = rgb_to_lab(np.moveaxis(image, -1, 0), quanta.color)
    with banded(1, gpu.nothing) as bands:
        found = soft_slic(lab, None, (STEP, STEP), quanta, 5, bands=bands)
        codes = found.codes(found.exact, bands).astype(int)
    y, x = np.indices(codes.shape) // STEP
    fused = (y + codes // 3 - 1) * 8 + x + codes % 3 - 1
    assert (plain == fused).mean() > 0.97


def test_the_pipeline_runs_on_any_device_and_leaves_a_trace(gpu, tmp_path):
    given = ["--pipeline-size", "96", "--methods", "slic", "--device", "cpu"]
    options = gpu.arguments([*given, "--traces", str(tmp_path)])
    ((name, speed, more),) = gpu.pipeline_rows(options)
    assert name == "slic, zarr to labels"
    assert speed.endswith("Mpx/s")
    assert "superpixels" in more
    assert "thread_name" in (tmp_path / "slic.json").read_text()


def test_equality_counts_what_differs(gpu, monkeypatch):
    options = gpu.arguments(["--size", "64", "--device", "cpu"])
    assert {row[1] for row in gpu.equality_rows(options)} == {"0 pixels differ"}
    label = nsp.superpixels

    def broken(image, *args, device, **kwargs):
        return label(image, *args, device=device, **kwargs) + (device == "cuda")

    monkeypatch.setattr(gpu.nsp, "superpixels", broken)
    options.device = "cuda"
    monkeypatch.setattr("napari_superpixels.models.compute.cuda_count", lambda: 1)
    monkeypatch.setattr("napari_superpixels.models.clustering.kernels_device", lambda _: None)
    assert {row[1] for row in gpu.equality_rows(options)} == {"4096 pixels differ"}
