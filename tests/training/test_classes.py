"""Numbers of label images and the classes that they mean."""

import json
import re

import numpy as np
import pytest
from skimage.io import imsave

from napari_superpixels.errors import InputError
from napari_superpixels.tiling import Box
from napari_superpixels.training.class_counts import (
    balanced,
    check_present,
    count_pixels,
    notes_on_classes,
)
from napari_superpixels.training.classes import PALETTE, classified, parsed
from napari_superpixels.training.pairs import find_pairs

EM = "membrane=0-128,glia#ff0000=159+160,cell=*"


def test_numbers_ranges_and_the_rest_are_told_apart():
    classes = parsed(EM, ignored="255+300-310")
    values = np.array([[0, 128, 129], [159, 160, 255], [305, 7, 1000]])
    assert classes.ids(values).tolist() == [[1, 1, 3], [2, 2, 0], [0, 1, 3]]
    assert classes.listed() == [
        {"id": 1, "name": "membrane", "colour": PALETTE[0]},
        {"id": 2, "name": "glia", "colour": "#ff0000"},
        {"id": 3, "name": "cell", "colour": PALETTE[2]},
    ]


def test_a_file_says_the_same(tmp_path):
    listed = [
        {"name": "membrane", "values": "0-128"},
        {"name": "glia", "values": "159+160", "colour": "#ff0000"},
        {"name": "cell", "values": "*"},
    ]
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(listed))
    assert parsed(str(path)) == parsed(EM)


def test_unknown_numbers_are_refused_in_one_sentence_or_ignored():
    values = np.array([[0, 1, 5, 6, 7, 8]])
    strict = parsed("ground=0,disc=1")
    with pytest.raises(InputError, match="values 5, 6, 7 and 1 more, which no class names"):
        strict.ids(values)
    with pytest.raises(InputError, match="the value 5, which"):
        strict.ids(values[:, :3])
    repair = (
        r"add 'NAME=5' to the classes, or 'NAME=\*' for all the rest.*--ignore 5 or --ignore-oth"
    )
    with pytest.raises(InputError, match=repair):
        strict.ids(values)
    assert parsed("ground=0,disc=1", ignores_rest=True).ids(values).tolist() == [[1, 2, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("text", "ignored", "complaint"),
    [
        ("ground", "", "'ground' is no class"),
        ("ground=0", "", "1 classes are given"),
        ("a=0,a=1", "", "Two classes are called 'a'"),
        ("a=*,b=*", "", "'a' and 'b' are both all the rest"),
        ("a=0-9,b=5", "", "value 5 is given for 'a' and for 'b'"),
        ("a=0,b=5", "5", "value 5 is given for"),
        ("a=0,b=9-5", "", "'9-5' of 'b' are no numbers"),
        ("a=0,b=x", "", "'x' of 'b' are no numbers"),
        ("nowhere.json", "", "cannot be read"),
        ("a#zz=0,b=*", "", "'#zz' is no colour for 'a'; give one as '#rrggbb'"),
        ("a #12345=0,b=*", "", "'#12345' is no colour for 'a'"),
    ],
)
def test_what_is_no_list_of_classes_is_refused(text, ignored, complaint):
    with pytest.raises(InputError, match=complaint):
        parsed(text, ignored)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[1]", "no list of classes"),
        ("{", "no list of classes"),
        ('[{"name": "a", "values": "0", "colour": "red"}]', "'red' is no colour"),
    ],
)
def test_a_file_that_is_no_list_of_classes_is_refused(tmp_path, content, complaint):
    path = tmp_path / "classes.json"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        parsed(str(path))


@pytest.fixture
def pairs(tmp_path):
    labels = np.zeros((40, 60), np.uint8)
    labels[:, :30], labels[:10, :30], labels[0, 59] = 3, 9, 200
    imsave(tmp_path / "a.png", np.zeros((40, 60, 3), np.uint8), check_contrast=False)
    imsave(tmp_path / "a.labels.png", labels, check_contrast=False)
    return find_pairs(tmp_path)


def test_annotations_become_ids_and_name_their_image(pairs):
    (pair,) = classified(pairs, parsed("ground=0,cell=3,edge=9,rest=*"))
    ids = pair.annotations[0].read(Box.of((0, 12), (29, 60)))
    assert (ids[0, 0], ids[11, 0], ids[5, 5], ids[0, 30]) == (3, 2, 1, 4)
    (strict,) = classified(pairs, parsed("ground=0,cell=3+9"))
    with pytest.raises(InputError, match="The label image of 'a' has the value 200"):
        strict.annotations[0].read(Box.whole((40, 60)))


def test_classes_are_counted_and_rare_ones_weigh_more(pairs):
    classes = parsed("ground=0,cell=3,edge=9,absent=77", ignores_rest=True)
    counts = count_pixels(classified(pairs, classes), classes)
    assert counts.tolist() == [1199, 900, 300, 0]
    assert balanced(counts) == (round(900 / 1199, 4), 1, 3, 1)
    assert "'absent' is annotated in what is learned" in notes_on_classes(counts, classes)[0]
    assert notes_on_classes(counts[:3], parsed("a=0,b=3,c=9")) == []


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("ground=0,cell=300-400+7", "'cell=300-400+7'"),
        ("ground=5,cell=7", "'ground=5' or 'cell=7'"),
        ("ground=0,cell=3,edge=9+200,rest=*", "'rest=*'"),
    ],
)
def test_a_class_that_is_nowhere_is_refused_with_the_values_that_there_are(pairs, text, absent):
    told = f"No image has a pixel of {absent}, for the values of the labels are 0, 3, 9 and 1 more"
    with pytest.raises(InputError, match=re.escape(told)) as refused:
        check_present(pairs, parsed(text, ignores_rest="*" not in text))
    assert "\n" not in str(refused.value)


def test_classes_of_which_each_is_in_some_image_are_fine(pairs):
    check_present(pairs, parsed("ground=0,cell=3,edge=9", ignores_rest=True))
