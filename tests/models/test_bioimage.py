"""Packages of BioImage.IO run like networks with a card."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models.bioimage import network_in
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import bomb, rewritten, unet, write_package


def test_without_the_library_a_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bioimageio.core", None)
    (tmp_path / "package.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"install napari-superpixels\[bioimageio\]"):
        nsp.Segment(weights=str(tmp_path / "package.zip"))


@pytest.fixture
def library():
    return pytest.importorskip("bioimageio.core", reason="the extra bioimageio is not installed")


@pytest.mark.usefixtures("library")
def test_a_package_gives_what_its_network_does(tmp_path):
    image = nsp.open(noise((150, 203, 3)), axes="yxs", rgb=True)
    method = nsp.Segment(weights=str(write_package(tmp_path)))
    assert [one.name for one in method.output.legend] == ["background", "nucleus", "membrane"]
    assert (method.facts.halo_px, method.trained.mean) == (24, (0.5,) * 3)
    own = nsp.Segment(weights=str(tmp_path / "weights.pt"))
    found = [nsp.superpixels(image, one).compute() for one in (method, own)]
    np.testing.assert_array_equal(*found)


@pytest.mark.usefixtures("library")
def test_what_looks_at_the_whole_image_first_is_refused(tmp_path):
    before = {"id": "zero_mean_unit_variance", "kwargs": {}}
    path = write_package(tmp_path, before=[before])
    with pytest.raises(InputError, match="wants 'zero_mean_unit_variance' before"):
        nsp.Segment(weights=str(path))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("names", [["nucleus"], ["nucleus", "edge"], ["a", "b", "c"]])
@pytest.mark.parametrize("after", [(), ("sigmoid",)])
def test_steps_before_and_channels_behind_are_as_numpy_does_them(tmp_path, names, after):
    """Two channels without a last step are scores that are compared, below 0 too."""
    network = unet(scores=len(names))
    ready = len(names) == 1 and not after
    program = torch.nn.Sequential(network, torch.nn.Sigmoid()) if ready else network
    with torch.no_grad():
        network.last.bias.sub_(0.0 if len(names) == 1 else 3.0)
    before = [
        {"id": "scale_linear", "kwargs": {"gain": 1 / 255}},
        {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 0.5, "std": 0.25}},
    ]
    path = write_package(
        tmp_path, before=before, network=program, names=names, after=[{"id": i} for i in after]
    )
    raw = noise((128, 128, 3))
    samples = torch.from_numpy(np.float32((raw * (1 / 255) - 0.5) / 0.25)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        scores = network(samples)[0].numpy()
    scores = np.concatenate([0 * scores, scores]) if len(names) == 1 else scores
    method = nsp.Segment(weights=str(path), probabilities=True)
    legend = nsp.Segment(weights=str(path)).output.legend
    assert [one.name for one in legend][-len(names) :] == names
    shares = np.exp(scores - scores.max(axis=0))
    found = nsp.superpixels(nsp.open(raw, axes="yxs", rgb=True), method).compute()
    np.testing.assert_allclose(found, shares / shares.sum(axis=0), atol=2e-3)


@pytest.mark.usefixtures("library")
def test_a_package_that_does_not_tell_what_samples_are_is_refused(tmp_path):
    with pytest.raises(InputError, match="takes samples of float32 and does not tell their range"):
        nsp.Segment(weights=str(write_package(tmp_path, before=())))
    path = write_package(tmp_path, before=(), data={"type": "float32", "range": [0, 1]})
    method = nsp.Segment(weights=str(path))
    assert (method.trained.mean, method.trained.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("step", "kwargs", "told"),
    [
        (
            "fixed_zero_mean_unit_variance",
            {"mean": [9.0, 8.0], "std": [1.0, 2.0]},
            r"mean \[9.0, 8",
        ),
        ("scale_linear", {"gain": [1.0, 2.0], "offset": [0.0, 1.0]}, r"gain \[1.0, 2.0\]"),
    ],
)
def test_numbers_for_other_channels_are_told(tmp_path, step, kwargs, told):
    path = write_package(tmp_path, before=[{"id": step, "kwargs": kwargs | {"axis": "channel"}}])
    with pytest.raises(InputError, match=f"{told}.* takes 3 channels, each of which needs one"):
        nsp.Segment(weights=str(path))


@pytest.mark.usefixtures("library")
def test_what_is_no_package_is_told(tmp_path):
    path = tmp_path / "package.zip"
    path.write_bytes(b"no package")
    with pytest.raises(InputError, match="is no package of a model"):
        nsp.Segment(weights=str(path))


@pytest.mark.usefixtures("library")
def test_a_fixed_size_is_that_of_the_windows(tmp_path):
    method = nsp.Segment(weights=str(write_package(tmp_path, size=96)))
    assert (method.facts.edge_px, method.patches.edge * method.step) == (96, 96)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("member", "content", "sentence"),
    [
        ("weights.pt", None, r"does not hold its network weights.pt whole|no package of a model"),
        ("weights.pt", b"PK no network", "is no TorchScript but, if anything, a pickle"),
        ("rdf.yaml", b"{", "is no package of a model"),
        ("rdf.yaml", b"name: [", "is no package of a model"),
        ("rdf.yaml", None, "is no package of a model"),
    ],
)
def test_a_package_with_something_missing_or_broken_is_told(tmp_path, member, content, sentence):
    path = rewritten(write_package(tmp_path), lambda name, old: content if name == member else old)
    with pytest.raises(InputError, match=sentence) as caught:
        nsp.Segment(weights=str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_package_is_told(tmp_path, share):
    path = write_package(tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="is no package of a model"):
        nsp.Segment(weights=str(path))


@pytest.mark.usefixtures("library")
def test_a_package_without_a_network_that_runs_here_names_what_it_holds(tmp_path):
    weights = {"onnx": {"source": "weights.pt", "opset_version": 17}}
    path = write_package(tmp_path, weights=weights)
    with pytest.raises(InputError, match="holds onnx for 1 inputs, but only TorchScript"):
        nsp.Segment(weights=str(path))


def test_a_network_that_is_not_whole_is_told():
    with pytest.raises(InputError, match=r"does not hold its network a.pt whole \(File is not a"):
        network_in(b"no archive", "a.pt", "package.zip")


def test_a_network_far_larger_than_its_package_is_told():
    with pytest.raises(InputError, match=r"but unpacks to 80 MiB, where 64 MiB is the most"):
        network_in(bomb("a.pt", 80 * 2**20), "a.pt", "package.zip")


@pytest.mark.usefixtures("library")
def test_a_description_far_larger_than_its_package_is_told(tmp_path):
    path = tmp_path / "package.zip"
    path.write_bytes(bomb("rdf.yaml", 80 * 2**20))
    with pytest.raises(InputError, match=r"but unpacks to 80 MiB, where 64 MiB is the most"):
        nsp.Segment(weights=str(path))


def test_the_library_is_imported_for_packages_alone():
    code = "import sys, napari_superpixels.models.segment; print('bioimageio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.usefixtures("library")
def test_nothing_is_fetched(tmp_path, monkeypatch):
    def connect(*_):
        raise AssertionError("it went to the network")

    monkeypatch.setattr("socket.socket.connect", connect)
    elsewhere = {"source": "https://example.com/weights.pt", "pytorch_version": "2.11.0"}
    path = write_package(tmp_path, weights={"torchscript": elsewhere})
    with pytest.raises(InputError, match=r"https://example.com/weights.pt whole|is no package"):
        nsp.Segment(weights=str(path))
    assert nsp.Segment(weights=str(write_package(tmp_path))).exact
