"""The recipes of segmentation and regression networks: one function for each of the papers'.

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
section 4.1, trains all nine networks of its table 3 in one way. The ``-cpu`` recipes are our own:
the same on smaller crops, for a few thousand steps, with ResNet-18.

>>> from napari_superpixels.training.dense_recipes import hcfcn
>>> made = hcfcn(backbone="resnet50")
>>> made.network().config["backbone"], made.steps, made.batch
('resnet50', 50000, 16)
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeVar

from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks.backbone import BackboneSettings, Form
from napari_superpixels.networks.normalisation import MEAN, Normalisation
from napari_superpixels.networks.ordinal import OrdinalNetwork
from napari_superpixels.networks.resnet import Name
from napari_superpixels.networks.segmentation import PUBLISHED, SegmentationNetwork
from napari_superpixels.training.classes import Classes, parsed
from napari_superpixels.training.data import Crops
from napari_superpixels.training.dense import WHITE, ClassLoss, OrdinalLoss, dense_logits
from napari_superpixels.training.encoder import Encoder
from napari_superpixels.training.recipe import Poly, Recipe, Sgd

TWO = parsed("background=0,object=*")
"""Classes where none are given."""
COARSEST = 32
"""Stride of the coarsest map: sides of crops are multiples of it, also for atrous forms."""
MEAN_COLOUR = tuple(round(WHITE * value) for value in MEAN)
"""What networks see where there is no data, in 8 bits: 0 once it is normalised."""
WEIGHT_DECAY = 1e-4
"""PSPNet's, whose protocol the paper follows; it names none itself."""
FOLLOWED = "HCNet, section 4.1"


@dataclass(frozen=True, kw_only=True)
class DenseRecipe(Recipe):
    """How a network that says something of every pixel is trained."""

    @property
    def file_network(self) -> str:
        """The network's name in the card of its weights."""
        return "segmentation"

    def described(self, network: nn.Module) -> dict[str, Any]:
        """Return what the card says that a network is made with, and what it says."""
        assert isinstance(network, SegmentationNetwork), "the recipe makes the network"
        return {
            "network": self.file_network,
            "name": self.name,
            "head": network.head_name,
            "backbone": asdict(network.settings),
            "channels": network.channels,
            "normalisation": asdict(Normalisation.of(network.channels)),
        }

    def check(self, network: nn.Module) -> None:
        """Refuse batches of one crop where the network averages over crops.

        Raises
        ------
        InputError
            With the number that it needs.
        """
        assert isinstance(network, SegmentationNetwork), "the recipe makes the network"
        if self.batch == 1 and not network.exact:
            raise InputError(
                f"A batch has 1 crop, but the head {network.head_name!r} averages over whole crops "
                f"and compares them; give at least --batch 2."
            )


@dataclass(frozen=True, kw_only=True)
class ClassRecipe(DenseRecipe):
    """How a network that names the class of every pixel is trained."""

    classes: Classes = TWO

    def described(self, network: nn.Module) -> dict[str, Any]:
        """Return what the card says that a network is made with, and what it says."""
        said = {"output": "classes", "classes": self.classes.listed()}
        return super().described(network) | said

    def meaning(self) -> dict[str, Any]:
        """Return what the labels mean."""
        return {"classes": repr(self.classes)}

    def telling(self, classes: Classes, weights: tuple[float, ...] | None = None) -> "ClassRecipe":
        """Return the recipe of a network that tells other classes apart.

        Parameters
        ----------
        classes
            The classes.
        weights
            Of each in the loss; all alike by default.
        """
        network: Callable[..., nn.Module] = self.network
        network = partial(network, classes=len(classes))
        return replace(self, network=network, classes=classes, loss=ClassLoss(weights))


DISTANCE_PX = 16
"""Distances to borders are told up to this, by default."""


@dataclass(frozen=True, kw_only=True)
class DistanceRecipe(DenseRecipe):
    """How a network that says how far a pixel lies from its object's border is trained."""

    reach_px: int = DISTANCE_PX
    """The distance that is 1."""

    def described(self, network: nn.Module) -> dict[str, Any]:
        """Return what the card says that a network is made with, and what it says."""
        assert isinstance(network, OrdinalNetwork), "the recipe makes the network"
        said = {"output": "map", "unit": f"{self.reach_px} px"}
        cut = {"discretisation": asdict(network.discretisation)}
        return super().described(network) | said | cut

    def meaning(self) -> dict[str, Any]:
        """Return what the labels mean."""
        return {"reach_px": self.reach_px}


def _dense(published: str, backbone: Name) -> ClassRecipe:
    settings = PUBLISHED[published]
    network = partial(SegmentationNetwork, **settings, backbone=backbone, classes=len(TWO))
    return ClassRecipe(
        name=published.lower().replace("-32", ""),
        method="segment",
        table=f"{FOLLOWED}: {published}, {backbone}",
        network=network,
        logits=dense_logits,
        loss=ClassLoss(),
        crops=(Crops(size=1024, scales=(0.5, 2.0), spread=None, flips="x", blank=MEAN_COLOUR),),
        batch=16,
        steps=50_000,
        rate=Poly(0.01),
        optimiser=Sgd(0.9),
        weight_decay=WEIGHT_DECAY,
        step=COARSEST,
        align=COARSEST,
        any_channels=True,
    )


def fcn(backbone: Name = "resnet101") -> ClassRecipe:
    """FCN-32, bilinear enlargement by 32: the simplest, and the coarsest."""
    return _dense("FCN-32", backbone)


def atrousfcn(backbone: Name = "resnet101") -> ClassRecipe:
    """FCN on maps of an eighth of the resolution, by dilation."""
    return _dense("AtrousFCN", backbone)


def hcfcn(backbone: Name = "resnet101") -> ClassRecipe:
    """FCN-32 that comes back to full resolution by two levels of clusters."""
    return _dense("HCFCN-32", backbone)


def fpn(backbone: Name = "resnet101") -> ClassRecipe:
    """FPN: finer maps added to coarser ones, enlarged bilinearly."""
    return _dense("FPN", backbone)


def hcfpn(backbone: Name = "resnet101") -> ClassRecipe:
    """FPN with clusters in the place of bilinear enlargement."""
    return _dense("HCFPN", backbone)


def pspnet(backbone: Name = "resnet101") -> ClassRecipe:
    """PSPNet on the atrous backbone."""
    return _dense("PSPNet", backbone)


def hcpspnet(backbone: Name = "resnet101") -> ClassRecipe:
    """PSPNet's head on the backbone with clusters."""
    return _dense("HCPSPNet", backbone)


def deeplabv3(backbone: Name = "resnet101") -> ClassRecipe:
    """DeepLabv3 on the atrous backbone."""
    return _dense("DeepLabv3", backbone)


def hcdeeplabv3(backbone: Name = "resnet101") -> ClassRecipe:
    """DeepLabv3's head on the backbone with clusters."""
    return _dense("HCDeepLabv3", backbone)


def dorn(backbone: Name = "resnet101") -> DistanceRecipe:
    """DORN (Fu et al. 2018) on the atrous backbone: the distance to the border of objects.

    Rate, momentum, decay and batch are the paper's, steps those for KITTI. Crops are not resized,
    for that changes distances, and the auxiliary loss is that of the other networks.
    """
    return _distance("dorn", "atrous", backbone)


def hcdorn(backbone: Name = "resnet101") -> DistanceRecipe:
    """DORN's head on the backbone with clusters (HCNet, table 5); else as `dorn`."""
    return _distance("hcdorn", "hc", backbone)


def _distance(name: str, form: Form, backbone: Name) -> DistanceRecipe:
    return DistanceRecipe(
        name=name,
        method="segment",
        table=f"HCNet, table 5: {name.upper()}, {backbone}; of distances instead of depths",
        network=partial(OrdinalNetwork, "dorn", form=form, backbone=backbone),
        logits=dense_logits,
        loss=OrdinalLoss(),
        crops=(Crops(size=256, flips="x", blank=MEAN_COLOUR),),
        batch=3,
        steps=300_000,
        rate=Poly(1e-4),
        optimiser=Sgd(0.9),
        weight_decay=5e-4,
        step=COARSEST,
        align=COARSEST,
        any_channels=True,
    )


SHORT_CROP = 256
SHORT_BATCH = 8
SHORT_STEPS = 2000


SHORT_RATE = 1e-2
"""That of all networks here. DORN's own is for weights that begin with those of ImageNet: 500 steps
on distances in nuclei come to an rms of .113 with this one, of .167 with a tenth of it."""

D = TypeVar("D", bound=DenseRecipe)


def for_cpu(made: Callable[..., D], backbone: Name = "resnet18") -> D:
    """Return a recipe that an hour on one thread comes to something with.

    Parameters
    ----------
    made
        The paper's recipe; its loss, network and variations of crops stay, but the crops are
        mirrored along both axes, for a slide has no top.
    backbone
        Which ResNet.
    """
    paper = made(backbone)
    crops = tuple(replace(each, size=SHORT_CROP, flips="yx") for each in paper.crops)
    return replace(
        paper,
        name=f"{paper.name}-cpu",
        table=f"{paper.table}; ours, short",
        crops=crops,
        batch=SHORT_BATCH,
        steps=SHORT_STEPS,
        rate=Poly(SHORT_RATE),
    )


OF_CLUSTERS = ("level", "sampling")
"""What the HC form alone has."""


def encoded(made: Callable[..., D], encoder: Encoder) -> D:
    """Return a recipe whose network has another ResNet, or clusters otherwise.

    Parameters
    ----------
    made
        Makes the recipe of a ResNet.
    encoder
        What is wanted.

    Raises
    ------
    InputError
        If a setting is not known, or the network has no clusters that it could be of.
    """
    wanted = encoder.wanted
    BackboneSettings(**wanted)  # refuses what is not known
    recipe = made(**({"backbone": encoder.backbone} if encoder.backbone else {}))
    others = {name: value for name, value in wanted.items() if name != "backbone"}
    network = recipe.network
    assert isinstance(network, partial), "recipes name what their network is made with"
    for name in OF_CLUSTERS:
        if name in wanted and network.keywords["form"] != "hc":
            raise InputError(
                f"The network of {recipe.name!r} has no clusters, so no {name} {wanted[name]!r}; "
                f"leave it out, or choose a recipe with hc in its name."
            )
    told = "".join(f"; {name} {value}" for name, value in others.items())
    return replace(recipe, network=partial(network, **others), table=f"{recipe.table}{told}")


PAPERS: Mapping[str, Callable[..., ClassRecipe]] = {
    made.__name__: made
    for made in (fcn, atrousfcn, hcfcn, fpn, hcfpn, pspnet, hcpspnet, deeplabv3, hcdeeplabv3)
}
"""The nine recipes of the paper, by name; each takes the ResNet."""

SHORT: Mapping[str, Callable[..., ClassRecipe]] = {
    f"{name}-cpu": partial(for_cpu, made) for name, made in PAPERS.items()
}
"""The same for a processor."""

DENSE: Mapping[str, Callable[..., DenseRecipe]] = {
    **PAPERS,
    **SHORT,
    "dorn": dorn,
    "hcdorn": hcdorn,
    "dorn-cpu": partial(for_cpu, dorn),
    "hcdorn-cpu": partial(for_cpu, hcdorn),
}
"""All of them, with those of regression."""
