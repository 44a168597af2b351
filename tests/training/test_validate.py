"""Validation, log and curves."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.kernels.ids import codes_of
from napari_superpixels.labels.metrics import achievable_segmentation_accuracy, count_superpixels
from napari_superpixels.testing.tiny import TinyNetwork, tiny_recipe
from napari_superpixels.tiling import Box
from napari_superpixels.training.annotated import LARGEST_PX, middle_of
from napari_superpixels.training.data import read_whole
from napari_superpixels.training.events import Saved, StepDone, Validated, both
from napari_superpixels.training.log import Log, column, plot, read_log, smooth
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.validate import Validation, hard_labels, label_image


def test_hard_labels_are_the_likeliest_candidates():
    logits = np.random.default_rng(0).normal(size=(9, 8, 12)).astype(np.float32)
    logits[:3, :4], logits[6:, 4:] = -np.inf, -np.inf
    logits[::3, :, :4], logits[2::3, :, 8:] = -np.inf, -np.inf
    labels = hard_labels(logits, (4, 4))
    codes = codes_of(labels, (0, 0), (4, 4), (2, 3), 0)
    assert np.array_equal(codes, logits.argmax(axis=0))


def test_images_of_any_size_are_labelled_and_merged():
    image = np.random.default_rng(0).integers(0, 255, (3, 37, 50), dtype=np.uint8)
    network = TinyNetwork().eval()
    raw = label_image(network, image, tiny_recipe(), merge=False)
    merged = label_image(network, image, tiny_recipe())
    assert raw.shape == merged.shape == (37, 50)
    assert count_superpixels(raw) <= 5 * 7
    assert not np.array_equal(raw, merged)


def test_scores_are_means_over_annotations(folder):
    pairs = find_pairs(folder)
    network, recipe = TinyNetwork(), tiny_recipe()
    scores = Validation.of(pairs[:1])(network, recipe)
    network.eval()
    labels = label_image(network, read_whole(pairs[0]), recipe)
    truth = pairs[0].annotations[0].read(Box.whole(pairs[0].shape))
    assert scores["asa"] == pytest.approx(achievable_segmentation_accuracy(labels, truth))
    assert scores["superpixels"] == count_superpixels(labels)


@pytest.mark.parametrize("training", [True, False])
def test_validation_leaves_the_network_as_it_was(folder, training):
    network = TinyNetwork().train(training)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    Validation.of(find_pairs(folder), 1)(network, tiny_recipe())
    assert network.training is training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_of_large_images_the_middle_is_measured():
    box = middle_of(Box.of((100, 5000), (7, 300)))
    assert box == Box.of((2550 - LARGEST_PX // 2, 2550 + LARGEST_PX // 2), (7, 300))


def test_pixels_without_data_count_for_nothing(tmp_path):
    """Scores do not move when labels or colours change where the image is transparent."""
    scores = []
    for number in range(2):
        image = np.random.default_rng(0).integers(0, 255, (32, 40, 4), dtype=np.uint8)
        labels = np.ones((32, 40), np.uint8)
        image[..., 3], labels[16:] = 255, 2
        image[:, 24:, 3] = 0
        if number:
            labels[:, 30:], image[:, 24:, :3] = 7, 99
        place = tmp_path / str(number)
        place.mkdir()
        imsave(place / "a.png", image, check_contrast=False)
        imsave(place / "a.labels.png", labels, check_contrast=False)
        torch.manual_seed(0)
        scores.append(Validation.of(find_pairs(place))(TinyNetwork(), tiny_recipe()))
    assert scores[0] == scores[1]


def test_a_limit_spreads_over_the_images(folder):
    pairs = find_pairs(folder)
    assert [p.name for p in Validation.of(pairs, 2).pairs] == ["0", "1"]
    assert len(Validation.of(pairs, 9).pairs) == 3


def write_log(folder):
    log = Log(folder)
    for step in (1, 2):
        log(StepDone(step, 0.1, {"label": 1.0 / step, "position": 0.5}))
    log(Validated(2, {"asa": 0.9, "br": 0.8, "superpixels": 30.0}))
    log(Saved(2, folder / "last.pt"))
    log(StepDone(3, 0.1, {"label": 0.25, "position": 0.5}))


def test_numbers_of_the_log_can_be_read(tmp_path):
    Log(tmp_path)(StepDone(1, 1e-3, {"label": 0.4161495300941169}))
    assert "1,0.001,0.41615,0.41615\n" in (tmp_path / "log.csv").read_text()


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    write_log(tmp_path)
    log = Log(tmp_path, 2)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        log(StepDone(3, 0.1, {"label": 1.0, "position": 0.5}))


def test_a_log_is_replaced_as_a_whole(tmp_path, monkeypatch):
    write_log(tmp_path)
    before = (tmp_path / "log.csv").read_text()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        Log(tmp_path, 1)
    assert (tmp_path / "log.csv").read_text() == before


def test_rows_without_the_number_of_their_step_are_left_out(tmp_path):
    write_log(tmp_path)
    path = tmp_path / "log.csv"
    path.write_text(path.read_text().replace("2,0.1", "x,0.1"))
    assert column(read_log(path), "loss")[0] == [1, 3]


def test_the_log_has_a_row_for_each_step_and_validation(tmp_path):
    write_log(tmp_path)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines == [
        "step,rate,loss,loss_label,loss_position,asa,br,superpixels",
        "1,0.1,1.5,1,0.5,,,",
        "2,0.1,1,0.5,0.5,,,",
        "2,,,,,0.9,0.8,30",
        "3,0.1,0.75,0.25,0.5,,,",
    ]
    rows = read_log(tmp_path / "log.csv")
    assert column(rows, "loss") == ([1, 2, 3], [1.5, 1.0, 0.75])
    assert column(rows, "asa") == ([2], [0.9])
    assert column(rows, "none") == ([], [])


def test_a_log_that_goes_on_forgets_what_no_checkpoint_has(tmp_path):
    write_log(tmp_path)
    Log(tmp_path, 2)(StepDone(3, 0.1, {"label": 9.0, "position": 0.5}))
    assert column(read_log(tmp_path / "log.csv"), "loss_label") == ([1, 2, 3], [1.0, 0.5, 9.0])
    Log(tmp_path)
    assert read_log(tmp_path / "log.csv") == []


def test_a_row_cut_short_by_a_crash_is_left_out(tmp_path):
    write_log(tmp_path)
    path = tmp_path / "log.csv"
    path.write_text(path.read_text()[:-8])
    assert column(read_log(path), "step")[0] == [1, 2, 2]


def test_smoothing_takes_the_values_so_far():
    assert smooth([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
    assert smooth([], 3) == []


def test_curves_are_drawn(tmp_path):
    from skimage.io import imread

    write_log(tmp_path)
    path = plot(tmp_path)
    assert imread(path).shape[0] == 360
    assert len(np.unique(imread(path)[..., 0])) > 10


def test_what_was_never_measured_has_no_frame(tmp_path):
    from skimage.io import imread

    write_log(tmp_path)
    wide = imread(plot(tmp_path)).shape[1]
    Log(tmp_path)(StepDone(1, 0.1, {"label": 1.0}))
    assert imread(plot(tmp_path)).shape[1] == wide // 3


def test_without_matplotlib_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="pip install"):
        plot(tmp_path)


def test_both_listeners_hear_in_order():
    heard = []
    both(lambda e: heard.append(("first", e)), lambda e: heard.append(("second", e)))(1)
    assert heard == [("first", 1), ("second", 1)]
