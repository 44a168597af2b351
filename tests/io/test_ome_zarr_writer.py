import numpy as np
import pytest
import zarr
from ome_zarr_models import open_ome_zarr

from napari_superpixels.axes import Axes, Axis
from napari_superpixels.io.ome_zarr_writer import CellArray, Layout, create_arrays, finish_image


@pytest.fixture
def layout() -> Layout:
    axes = (
        Axis("z", 2, 3.0, "micrometer"),
        Axis("y", 100, 0.5, "micrometer"),
        Axis("x", 81, 0.5, "metre", 4.0),
    )
    return Layout(
        axes=Axes(axes),
        dtype=np.dtype(np.uint32),
        chunk=(32, 32),
        tile=(32, 32),
        factors=((2, 2), (4, 4)),
        cells=(7, 6),
        cell_chunk=(2, 2),
        tables=(
            CellArray("cells/means", np.dtype(np.float32), (3,), np.nan),
            CellArray("cells/counts", np.dtype(np.uint32), (), 0),
        ),
    )


def test_levels_round_up_and_scales_multiply(layout):
    assert layout.level_shapes == ((2, 100, 81), (2, 50, 41), (2, 13, 11))
    assert layout.level_scales == ((1, 1), (2, 2), (8, 8))


def test_a_third_party_validator_accepts_it(layout, tmp_path):
    create_arrays(tmp_path / "x.zarr", layout)
    finish_image(tmp_path / "x.zarr", layout, "x", {"hash": "abc"})
    image = open_ome_zarr(zarr.open_group(tmp_path / "x.zarr", mode="r"))
    multiscale = image.attributes.ome.multiscales[0]
    assert [dataset.path for dataset in multiscale.datasets] == ["0", "1", "2"]
    assert multiscale.axes[2].unit == "meter"
    scale, translation = multiscale.datasets[2].coordinateTransformations
    assert scale.scale == [3.0, 4.0, 4.0]
    assert translation.translation == [0.0, 1.75, 5.75]


def test_without_the_last_step_it_is_no_image(layout, tmp_path):
    create_arrays(tmp_path / "x.zarr", layout)
    with pytest.raises(Exception, match=r"validat"):
        open_ome_zarr(zarr.open_group(tmp_path / "x.zarr", mode="r"))


def test_arrays_are_chunked_by_plane_and_named(layout, tmp_path):
    create_arrays(tmp_path / "x.zarr", layout)
    root = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert root["0"].chunks == (1, 32, 32)
    assert root["2"].chunks == (1, 13, 11)
    assert root["cells/means"].shape == (2, 7, 6, 3)
    assert root["cells/means"].metadata.dimension_names == ("z", "y", "x", "c")
    assert np.isnan(root["cells/means"][0, 0, 0, 0])
    assert root["cells/counts"][:].sum() == 0
