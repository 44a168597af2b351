"""What is refused before a training begins, and weights of classes."""

from dataclasses import replace

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.io import open_source
from napari_superpixels.training.class_counts import balanced
from napari_superpixels.training.classes import classified, parsed
from napari_superpixels.training.dense_recipes import SHORT, hcdorn
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.pairs import Pair, StoredLabels
from napari_superpixels.training.ready import Material, of_classes, of_distances

TWO = parsed("ground=1,object=2", "0")


def pair_of(labels, name="a"):
    labels = np.asarray(labels, np.int32)
    return Pair(name, open_source(labels.astype(np.uint8)), (StoredLabels(open_source(labels)),))


def halves(low=1, high=2, size=64):
    labels = np.full((size, size), low)
    labels[:, size // 2 :] = high
    return pair_of(labels)


def test_a_held_part_without_a_known_class_is_refused_before_the_first_step():
    learned, held = (classified([one], TWO) for one in (halves(), halves(0, 0)))
    with pytest.raises(InputError, match="held out has a known class; annotate some"):
        of_classes(SHORT["hcfcn-cpu"](), Material(learned, held), TWO)


def test_a_held_part_without_objects_is_refused_before_the_first_step():
    with pytest.raises(InputError, match="No object is annotated in what is held out"):
        of_distances(hcdorn("resnet18"), Material([halves()], [halves(0, 0)]), None)


def test_weights_of_rare_classes_are_right_over_many_orders():
    rare, other, frequent = balanced(np.array([150, 200, 67_000_000]))
    assert (rare, other) == (1.333, 1.0)
    assert frequent == pytest.approx(200 / 67e6, rel=1e-3)


class Worthless:
    """A validation whose score stays 0, as that of an ordinal head does for a while."""

    pairs = ()
    watched = "score"
    noise = 0.0

    def __init__(self):
        self.count = 0

    def __call__(self, network, recipe):
        self.count += 1
        return {"score": 0.0}


def test_patience_ends_a_training_that_never_gets_better(tmp_path):
    made = of_classes(SHORT["hcfcn-cpu"](), Material(classified([halves()], TWO), []), TWO)
    crops = tuple(replace(each, size=64) for each in made.recipe.crops)
    recipe = replace(made.recipe, crops=crops, batch=1, steps=9)
    validation = Worthless()
    outcome = train(
        recipe,
        made.data,
        tmp_path / "out",
        validation=validation,
        running=Running(device="cpu", validate_every=1, patience=2),
    )
    assert (outcome.finished, validation.count) == (True, 3)
    assert (tmp_path / "out" / "best.pt").exists()
