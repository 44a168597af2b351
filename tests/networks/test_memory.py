"""The declared memory of each network holds what its process really needs, and little more."""

import json
import subprocess
import sys
import textwrap

import pytest

from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights

EDGE_PX = 400
MOST_UNUSED = 5
"""Of what is declared, at least such a part is needed."""
CHILD = """
    import json, os, sys
    import numpy as np
    from napari_superpixels import api
    from napari_superpixels.engine.tile import assign, no_pulse, read_box
    from napari_superpixels.models import ssn

    name, weights, edge = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ssn.MOST_THREADS = 1  # one block at a time, as this process works

    def work(size):
        image = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
        plan = api.plan(api.open(image, axes="yxc", rgb=True), name, weights=weights, window=size)
        window = plan.windows[0]
        block = plan.source.read(0, read_box(plan, window))
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew: an earlier one may be of what is gone by now
        before = resident()
        assign(plan, window, window.core, block, threads=1, pulse=no_pulse)
        return before, plan.model.bytes_for((size, size))

    def resident():
        pages = int(open("/proc/self/statm").read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak():
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        return int(status["VmHWM"].split()[0]) * 1024

    work(64)  # kernels, torch and the network are there
    before, declared = work(edge)
    print(json.dumps([peak() - before, declared]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is resident")
@pytest.mark.parametrize("name", ["scn", "ainet", "pcnet", "ssn", "hcssn", "segment"])
def test_a_window_needs_at_most_what_is_declared(tmp_path, name):
    write = write_random_segmentation if name == "segment" else write_random_weights
    weights = write(tmp_path, "AtrousFCN" if name == "segment" else name)
    command = [sys.executable, "-c", textwrap.dedent(CHILD), name, str(weights), str(EDGE_PX)]
    done = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True)
    needed, declared = json.loads(done.stdout)
    assert declared / MOST_UNUSED < needed <= declared
