"""Weights of the user's own: a name is enough, in Python and the shell, and none is overwritten."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models import weights
from napari_superpixels.models.registry import METHODS
from napari_superpixels.models.weights import find, free_path, named_weights, own_folder, own_path
from napari_superpixels.testing.weights import write_random_weights

ARRAYS = {"a": np.zeros(1, np.float32)}


@pytest.fixture
def nuclei(own):
    """Weights of scn that are called so."""
    own.mkdir()
    write_random_weights(own, "scn").rename(own / "nuclei.safetensors")
    (own / "scn-0.json").rename(own / "nuclei.json")
    return own / "nuclei.safetensors"


def test_without_a_variable_the_folder_is_the_systems(monkeypatch):
    monkeypatch.delenv(weights.FOLDER_VARIABLE)
    assert own_folder().name == "weights"
    assert weights.PROGRAM in str(own_folder())


def test_a_name_is_found_as_the_file_is(nuclei):
    assert find("nuclei", "scn") == find(str(nuclei), "scn")
    assert named_weights()["scn"] == ["nuclei"]


def test_a_name_is_taken_in_python_and_in_the_shell(nuclei, shell, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    by_name, by_path = (
        nsp.superpixels(image, "scn", step=16, weights=given).compute()
        for given in ("nuclei", str(nuclei))
    )
    np.testing.assert_array_equal(by_name, by_path)
    np.save(tmp_path / "image.npy", image)
    given = ["--method", "scn", "--weights", "nuclei", "--axes", "yxs"]
    code, _, complaint = shell("plan", tmp_path / "image.npy", *given)
    assert code == 0, complaint


def test_for_another_method_the_name_is_refused(nuclei):
    with pytest.raises(InputError, match="are for 'scn', not for 'ssn'"):
        find("nuclei", "ssn")


def test_what_is_shipped_comes_first(own):
    own.mkdir()
    weights.save(own / "ssn.safetensors", "ssn", {}, ARRAYS)
    assert find("ssn", "ssn").path == str(weights.SHIPPED / "ssn.safetensors")


def test_a_name_leads_out_of_no_folder(nuclei):
    for name in ("../own/nuclei", "own/nuclei", "./nuclei"):
        with pytest.raises(InputError, match="no weights"):
            find(name, "scn")


def test_broken_ones_are_not_listed(nuclei):
    weights.save(nuclei.with_name("fine.safetensors"), "ssn", {}, ARRAYS)
    nuclei.with_suffix(".json").write_text("{")
    found = named_weights()
    assert "fine" in found["ssn"]
    assert "scn" not in found


def test_without_a_folder_there_are_the_shipped_ones_but_those_of_each_method(own):
    named = [name for names in named_weights().values() for name in names]
    shipped = {path.stem for path in weights.SHIPPED.glob("*.safetensors")}
    assert set(named) == shipped - set(METHODS)
    assert not own.exists()


@pytest.mark.parametrize("name", ["a", "HE 20x", "größe_2", "a-b"])
def test_a_name_of_words_is_a_file_in_the_folder(own, name):
    assert own_path(name) == own / f"{name}.safetensors"


@pytest.mark.parametrize("name", ["", " a", "a ", "../a", "a/b", "a.pt", ".a", "x" * 81, "a\n"])
def test_any_other_name_is_refused(own, name):
    with pytest.raises(InputError, match="choose such a name"):
        own_path(name)


def test_the_names_of_shipped_weights_are_taken(own):
    with pytest.raises(InputError, match="'ssn' come with this version; choose another"):
        own_path("ssn")


def test_a_free_path_is_another_where_one_is_taken(own):
    own.mkdir()
    path = own / "a.safetensors"
    assert free_path(path) == path
    path.touch()
    (own / "a 2.safetensors").touch()
    assert free_path(path) == own / "a 3.safetensors"
