import numpy as np

from napari_superpixels import Slic, SsnPix
from napari_superpixels.models.grid_network import Ainet, Pcnet, Scn
from napari_superpixels.models.hcnet import Hcnet
from napari_superpixels.models.registry import METHODS, method_class
from napari_superpixels.models.ssn import Hcssn, Ssn
from napari_superpixels.testing.contract import MethodContract, hashed_noise, noise
from napari_superpixels.testing.network_contract import NetworkContract, SamplingContract
from napari_superpixels.testing.weights import write_random_segmentation


class TestSlic(MethodContract):
    methods = (
        Slic(step=4, iterations=2),
        Slic(step=7, iterations=3, compactness=2.0),
        Slic(step=16, iterations=1),
    )
    sensitive = ((Slic(step=4, iterations=1, compactness=9.6), noise((72, 72, 3), 0), 8),)


class TestSsnPix(MethodContract):
    methods = (SsnPix(step=4, iterations=2), SsnPix(step=9, iterations=3, compactness=20.0))
    sensitive = (
        (SsnPix(step=4, iterations=1, compactness=9.6), noise((72, 72, 3), 0), 8),
        # Found by search: about one in 1000 such images differs with two associations.
        (SsnPix(step=3, iterations=2, compactness=3.0), hashed_noise(704, 60), 15),
    )


class TestScn(NetworkContract):
    method_class = Scn
    configs = ({}, {})
    steps = (16, 5)


class TestSsn(SamplingContract):
    method_class = Ssn
    configs = ({}, {"depth": "linear", "position": "none"}, {"position": "cell", "features": 11})
    steps = (16, 4, 9)


class TestHcssn(SamplingContract):
    method_class = Hcssn
    configs = ({"position": "none"}, {"deformable": True})
    steps = (6, 3)


class TestAinet(NetworkContract):
    method_class = Ainet
    configs = ({}, {"attention": True, "square": "neighbours"}, {"square": "pixel"})
    steps = (16, 12, 3)


class TestPcnet(NetworkContract):
    method_class = Pcnet
    steps = (16,)


class TestHcnet(NetworkContract):
    method_class = Hcnet
    configs = ({}, {"head": "pspnet", "backbone": {"level": 4}})
    steps = (16, 8)

    def write(self, folder, seed, config):
        return write_random_segmentation(folder, seed=seed, **config)


def test_every_registered_method_passes_the_contract():
    clustered = {type(m) for suite in MethodContract.__subclasses__() for m in suite.methods}
    learned = {
        suite.method_class
        for kind in (NetworkContract, SamplingContract)
        for suite in kind.__subclasses__()
    }
    tested = clustered | learned
    assert tested >= {method_class(name) for name in METHODS}


def test_noise_is_noise():
    assert np.unique(noise((64, 64))).size > 200
