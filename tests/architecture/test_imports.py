"""What a fresh process loads: importing must stay cheap, and `slic` must never need torch."""

import json
import subprocess
import sys

import pytest

HEAVY = ["torch", "napari", "magicgui", "qtpy", "dask", "zarr", "numba", "skimage", "rasterio"]


def _modules_after(code: str) -> set[str]:
    report = "import json, sys; print(json.dumps(list(sys.modules)))"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_measuring_itself_sees_what_is_loaded() -> None:
    assert "dask" in _modules_after("import dask")


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not _modules_after("import napari_superpixels").intersection(HEAVY)


def test_importing_the_api_loads_nothing_heavy() -> None:
    loaded = _modules_after("import napari_superpixels.api")
    assert not loaded.intersection(["torch", "napari", "magicgui", "qtpy", "dask"])


def test_every_public_name_is_there() -> None:
    code = "import napari_superpixels as nsp\n[getattr(nsp, name) for name in nsp.__all__]"
    assert "napari_superpixels.api" in _modules_after(code)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import napari_superpixels as nsp

    with pytest.raises(AttributeError, match="no attribute 'superpixel'"):
        nsp.superpixel  # noqa: B018


@pytest.mark.parametrize("module", ["kernels", "tiling", "labels", "models", "io", "errors"])
def test_rooms_without_torch_import_without_torch(module: str) -> None:
    assert "torch" not in _modules_after(f"import napari_superpixels.{module}")


def test_slic_computes_without_torch() -> None:
    code = (
        "import numpy as np, napari_superpixels as nsp\n"
        "image = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)\n"
        "nsp.superpixels(image, 'slic', step=16).compute()"
    )
    loaded = _modules_after(code)
    assert not loaded.intersection(["torch", "napari", "qtpy"])
