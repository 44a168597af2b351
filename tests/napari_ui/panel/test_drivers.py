"""Networks beside the graphics driver of a window, in a process of their own: it must survive."""

import subprocess
import sys

from napari_superpixels.napari_ui.drivers import prepare_for

LATE_NETWORK = """
import sys
import napari
from napari_superpixels.napari_ui.drivers import prepare_for

viewer = napari.Viewer()
viewer.screenshot(canvas_only=True, flash=False)  # the driver is loaded now
prepare_for({method!r})
import torchvision
viewer.close()
sys.stdout.write("alive")
"""


def test_a_network_can_be_loaded_after_a_window_was_drawn() -> None:
    script = LATE_NETWORK.format(method="segment")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive"), done.stderr


def test_how_libraries_are_loaded_is_as_before() -> None:
    before = sys.getdlopenflags()
    prepare_for("segment")
    assert sys.getdlopenflags() == before


def test_a_method_without_a_network_loads_nothing() -> None:
    script = (
        "import sys; from napari_superpixels.napari_ui.drivers import prepare_for; "
        "prepare_for('slic'); sys.exit('triton' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
