"""``napari-superpixels evaluate``: its files, its lines, its sentences."""

import json
import pickle
import sys
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from skimage.data import astronaut
from skimage.io import imsave

from napari_superpixels.cli import evaluate_command as command
from napari_superpixels.errors import InputError
from napari_superpixels.testing.weights import write_random_weights


@pytest.fixture
def images(tmp_path):
    """Two crops of a photograph with two annotations each."""
    place = tmp_path / "images"
    place.mkdir()
    for number in range(2):
        crop = astronaut()[number * 100 : number * 100 + 64, 150:246]
        imsave(place / f"{number}.png", crop, check_contrast=False)
        halves = np.repeat(np.arange(96)[None] // 48, 64, axis=0)
        np.savez(
            place / f"{number}.npz", segmentations=np.stack([halves, halves.T.reshape(64, 96)])
        )
    return place


def test_both_protocols_give_tables_and_curves(shell, images, tmp_path):
    out = tmp_path / "out"
    options = ["--methods", "slic,skimage", "--counts", "12,40", "--out", out]
    code, told, complained = shell("evaluate", "--images", images, *options)
    assert (code, complained) == (0, "")
    kinds = ("-rows.csv", "-scores.csv", ".md", "-asa.png", "-br-bp.png")
    assert {p.name for p in out.iterdir()} == {r + k for r in ("papers", "ours") for k in kinds}
    assert "ASA - skimage" in told
    assert "2 images of `images`, 4 annotations" in told
    rows = (out / "ours-rows.csv").read_text().splitlines()
    assert len([row for row in rows if ",0," in row]) >= 2 * 2 * 4
    assert "(2 of 2)" in told


def test_machines_get_the_files(shell, images, tmp_path):
    options = ["--methods", "slic", "--counts", "12", "--protocols", "ours", "--limit", 1, "--json"]
    code, told, _ = shell("evaluate", "--images", images, "--out", tmp_path / "out", *options)
    assert code == 0
    assert len(json.loads(told)["files"]) == 5


def test_weights_may_be_given(shell, images, tmp_path):
    weights = write_random_weights(tmp_path, "scn")
    options = ["--methods", "scn,slic", "--counts", "24", "--weights", f"scn={weights}", "-q"]
    code, told, complained = shell(
        "evaluate", "--images", images, "--out", tmp_path / "o", *options
    )
    assert (code, told, complained) == (0, "", "")


def pickled(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps({}))
    return f"scn={path}"


def truncated(tmp_path):
    path = write_random_weights(tmp_path, "scn")
    path.write_bytes(path.read_bytes()[:-100])
    return f"scn={path}"


def of_another_network(tmp_path):
    return f"scn={write_random_weights(tmp_path, 'ssn')}"


@pytest.mark.parametrize(
    ("make", "told"),
    [(pickled, "pickle"), (truncated, "altered"), (of_another_network, "for 'ssn'")],
)
def test_weights_that_cannot_be_trusted_are_refused(shell, images, tmp_path, make, told):
    options = ["--methods", "scn", "--counts", "24", "--weights", make(tmp_path)]
    code, _, complained = shell("evaluate", "--images", images, "--out", tmp_path / "o", *options)
    assert code == 2
    assert told in complained
    assert complained.count("\n") == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--methods", "sliic"], "no method 'sliic'"),
        (["--methods", ","], "give names"),
        (["--counts", "100,many"], "'100,many'"),
        (["--counts", "0"], "from 1"),
        (["--protocols", "mine"], "no protocol 'mine'"),
        (["--methods", "slic", "--reference", "ssn_pix"], "none of the methods"),
        (["--methods", "slic", "--weights", "w.safetensors"], "METHOD=FILE"),
        (["--labels", "nowhere"], "There is no 'nowhere'"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(shell, images, tmp_path, options, told):
    code, _, complained = shell("evaluate", "--images", images, "--out", tmp_path / "o", *options)
    assert code == 2
    assert told in complained
    assert complained.startswith("Error: ")
    assert complained.count("\n") == 1


def test_an_output_that_is_a_file_is_refused_before_the_work(shell, images, tmp_path):
    (tmp_path / "o").write_text("taken")
    code, _, complained = shell("evaluate", "--images", images, "--out", tmp_path / "o")
    assert code == 2
    assert "is a file" in complained


def test_without_matplotlib_nothing_is_measured(shell, images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, complained = shell("evaluate", "--images", images, "--out", tmp_path / "o")
    assert code == 2
    assert "matplotlib" in complained
    assert not (tmp_path / "o").exists()


def test_what_was_measured_is_kept_where_a_method_fails(shell, images, tmp_path, monkeypatch):
    from napari_superpixels.evaluation.baselines import BASELINES

    def fails_at_40(image, target):
        if target == 40:
            raise InputError("No more.")
        return np.zeros(image.shape[:2], int)

    monkeypatch.setattr("napari_superpixels.evaluation.methods.baseline", lambda name: fails_at_40)
    assert "felzenszwalb" in BASELINES
    options = ["--methods", "felzenszwalb", "--counts", "12,40", "--protocols", "ours"]
    code, _, complained = shell("evaluate", "--images", images, "--out", tmp_path / "o", *options)
    assert (code, complained) == (2, "Error: No more.\n")
    kept = (tmp_path / "o" / "ours-rows.csv").read_text().splitlines()
    assert len(kept) == 1 + 2 * 2, "both annotations of both images at 12"


def measured(method, target):
    from napari_superpixels.evaluation.benchmark import Row

    return Row(method=method, target=target, image="a", annotation=0, scores=None)


def test_a_terminal_gets_a_bar(monkeypatch):
    console = Console(file=StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr("rich.console.Console", lambda **options: console)
    with command.followed(2, quiet=False) as told:
        for target in (100, 300):
            told([measured("slic", target)])
    assert "slic 300" in console.file.getvalue()
    with command.followed(2, quiet=True) as told:
        told([measured("slic", 100)])


def test_lists_are_read_once_each_and_in_order():
    assert command.names_of(" slic, skimage,slic ") == ["slic", "skimage"]
    assert command.counts_of("300,100,300") == [100, 300]
    assert command.reference_of(None, ["slic", "skimage"]) == "skimage"
    assert command.reference_of(None, ["slic"]) is None
