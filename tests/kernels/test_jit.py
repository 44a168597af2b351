import pytest
from numba import njit

from napari_superpixels.kernels.jit import kernel


def without_a_file():
    """Return a function that has no file, so that there is no place beside it for a cache."""
    names = {}
    exec("def double(x):\n    return 2 * x", names)
    return names["double"]


def test_without_a_place_for_a_cache_kernels_still_compile():
    with pytest.raises(RuntimeError, match="no locator available"):
        njit(cache=True)(without_a_file())
    double = kernel()(without_a_file())
    assert double(21) == 42
    assert double.signatures, "it was compiled"


def test_options_are_passed_on():
    assert kernel(error_model="numpy")(without_a_file()).targetoptions["error_model"] == "numpy"
