"""The recipes: one function for each result of the papers that is repeated here.

A recipe's numbers are the paper's; where code and paper differ, the docstring says which was taken.
The ``-cpu`` recipes are our own: the same loss on smaller crops, with a higher and falling learning
rate, so that some hours on one thread come to something.

>>> from napari_superpixels.training.recipes import recipe
>>> recipe("ssn").steps
500000
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks.ainet import Ainet
from napari_superpixels.networks.grid import CELL, MEAN_RGB
from napari_superpixels.networks.hcssn import Hcssn
from napari_superpixels.networks.pcnet import Pcnet
from napari_superpixels.networks.scn import Scn
from napari_superpixels.networks.ssn import Ssn
from napari_superpixels.training.data import Crops
from napari_superpixels.training.encoder import AS_IT_IS, Encoder
from napari_superpixels.training.losses import SUM_WEIGHT
from napari_superpixels.training.objectives import (
    AinetLoss,
    PcnetLoss,
    ScnLoss,
    SsnLoss,
    grid_logits,
    ssn_logits,
)
from napari_superpixels.training.recipe import Cosine, Loss, Recipe, Steps


def _ssn(name: str, table: str, network: Callable[[], nn.Module], cell: int = 20) -> Recipe:
    return Recipe(
        name=name,
        method="ssn",
        table=table,
        network=network,
        logits=partial(ssn_logits, step=(cell, cell)),
        loss=SsnLoss((cell, cell)),
        crops=(Crops(size=200, scales=(0.75, 3.0), flips="x"),),
        batch=8,
        steps=500_000,
        rate=Steps(1e-4),
        step=cell,
        align=4,
    )


def ssn_deep() -> Recipe:
    """SSN_deep (Jampani et al. 2018, Fig. 4 and 5): 500 000 steps of 8 crops, 100 superpixels each.

    The batch of 8 is the paper's, its code has 6; crops are 200 pixels, the paper's 201 less the
    one that 10 x 10 cells cannot share.
    """
    return _ssn("ssn", "SSN, Fig. 5: SSN_deep, k = 20", Ssn)


def ssn_linear() -> Recipe:
    """SSN_linear, the paper's baseline of one convolution (Fig. 4), 200 000 steps."""
    made = _ssn("ssn-linear", "SSN, Fig. 4: SSN_linear", partial(Ssn, "linear"))
    return replace(made, steps=200_000)


def hcssn() -> Recipe:
    """HCSSN (Suzuki 2021, Fig. 6): 300 000 steps, crops of 208 pixels with 169 superpixels each."""
    made = _ssn("hcssn", "HCNet, Fig. 6: HCSSN", Hcssn, cell=16)
    return replace(
        made,
        method="hcssn",
        crops=(Crops(size=208, flips="x"),),
        steps=300_000,
        rate=Cosine(5e-5, 5e-7),
    )


def hcssn_deformable() -> Recipe:
    """HCSSN with the deformable convolutions that its paper takes elsewhere; else as `hcssn`."""
    return replace(hcssn(), name="hcssn-deformable", network=partial(Hcssn, deformable=True))


MEAN_COLOUR = tuple(round(255 * value) for value in MEAN_RGB)
"""What the grid networks subtract, in 8 bits, and so what they see where there is no data."""
WEIGHT_DECAY = 4e-4
"""Of SCN and those after it, beside `SUM_WEIGHT` of a sum over the pixels of a crop.

Our losses are means, so the decay is divided by both.
"""


def _grid(
    name: str, table: str, network: Callable[[], nn.Module], loss: Loss, size: int = 208
) -> Recipe:
    return Recipe(
        name=name,
        method=name,
        table=table,
        network=network,
        logits=grid_logits,
        loss=loss,
        crops=(Crops(size=size, blank=MEAN_COLOUR),),
        batch=4,
        steps=300_000,
        rate=Steps(5e-5, (200_000,)),
        weight_decay=WEIGHT_DECAY / (SUM_WEIGHT * size**2),
        step=CELL,
        align=CELL,
        any_channels=True,
    )


def scn() -> Recipe:
    """SCN (Yang et al. 2020, Fig. 5): 300 000 steps, the rate halved after 200 000.

    Batch and schedule are those of the published code.
    """
    return _grid("scn", "SCN, Fig. 5", Scn, ScnLoss())


AINET_STEPS = 272_000
"""The paper's 4000 iterations are rounds of 68 batches through BSDS500's training part."""
AINET_BORDERS = 204_000
"""After 3000 of them the boundary-perceiving loss begins."""


def ainet() -> Recipe:
    """AINet (Wang et al. 2021, Fig. 4): 4000 rounds, patch jitter, boundaries in the last 1000.

    The rate is that of the published code's parameters, half of the 8e-5 that the paper names, and
    halves after each 2000 rounds.
    """
    made = _grid("ainet", "AINet, Fig. 4", Ainet, AinetLoss(begin=AINET_BORDERS))
    return replace(
        made,
        crops=(Crops(size=208, jitter=True, blank=MEAN_COLOUR),),
        batch=16,
        steps=AINET_STEPS,
        rate=Steps(4e-5, (AINET_STEPS // 2,)),
    )


def pcnet() -> Recipe:
    """PCNet (Wang et al. 2022, Fig. 8): 4000 steps of 8 crops of 512 pixels and 8 patches.

    The paper's numbers; its code has a rate of 8e-5 and weighs the local branch by 0.5.
    """
    made = _grid("pcnet", "PCNet, Fig. 8", Pcnet, PcnetLoss(), size=512)
    crops = (
        Crops(size=512, frame=768, blank=MEAN_COLOUR),
        Crops(size=512, at_border=True, blank=MEAN_COLOUR),
    )
    rate = Steps(5e-5, (2000,), 0.1)
    return replace(made, crops=crops, batch=8, steps=4000, rate=rate, align=64)


SMALL = 0.01
"""Standard deviation of the last layer's first weights."""


@dataclass(frozen=True, slots=True)
class HeInitialised:
    """Makes a sampling network with He's initial weights, and small ones in the last layer.

    SSN begins with weights of 0.001, from where the features need hundreds of steps to move at all.
    With He's weights in the last layer too, the features begin as large as the colours, so that
    the associations are hard and a third of the features end at zero, behind the ReLU.
    """

    make: Callable[[], nn.Module]

    def __call__(self) -> nn.Module:
        """Return a new network."""
        network = self.make()
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        assert isinstance(network, Ssn), "the sampling networks begin so"
        for layer in network.network.output_conv.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, SMALL)
        return network


def for_cpu(made: Recipe, *, size: int, batch: int, steps: int, rate: float) -> Recipe:
    """Return a recipe that some hours on one thread come to something with.

    Parameters
    ----------
    made
        The paper's recipe; its loss, network and variations of crops stay.
    size
        Side of a crop, in pixels.
    batch
        Crops in a batch.
    steps
        Training steps.
    rate
        First learning rate; it falls along a cosine to a hundredth.
    """
    return replace(
        made,
        name=f"{made.name}-cpu",
        table=f"{made.table}; ours, short",
        crops=tuple(replace(crops, size=size) for crops in made.crops),
        batch=batch,
        steps=steps,
        rate=Cosine(rate, rate / 100),
    )


def ssn_cpu() -> Recipe:
    """SSN_deep for one thread: crops of 160 pixels, 4 a step, 12 000 steps, He's weights."""
    made = for_cpu(ssn_deep(), size=160, batch=4, steps=12_000, rate=1e-3)
    return replace(made, network=HeInitialised(made.network))


def hcssn_cpu() -> Recipe:
    """HCSSN for one thread: as SSN, so that the two can be compared."""
    made = for_cpu(hcssn(), size=160, batch=4, steps=12_000, rate=1e-3)
    return replace(made, network=HeInitialised(made.network))


def scn_cpu() -> Recipe:
    """SCN for one thread: crops of 208 pixels, 4 a step, 30 000 steps."""
    return for_cpu(scn(), size=208, batch=4, steps=30_000, rate=5e-4)


def ainet_cpu() -> Recipe:
    """AINet for one thread: as SCN, boundaries in the last quarter."""
    made = for_cpu(ainet(), size=208, batch=4, steps=30_000, rate=5e-4)
    return replace(made, loss=AinetLoss(begin=22_500))


def pcnet_cpu() -> Recipe:
    """PCNet for one thread: crops of 512 pixels, which it must have, 2 a step, 2000 steps."""
    return for_cpu(pcnet(), size=512, batch=2, steps=2000, rate=5e-4)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "ssn": ssn_deep,
    "ssn-linear": ssn_linear,
    "ssn-cpu": ssn_cpu,
    "scn": scn,
    "scn-cpu": scn_cpu,
    "hcssn": hcssn,
    "hcssn-cpu": hcssn_cpu,
    "hcssn-deformable": hcssn_deformable,
    "ainet": ainet,
    "ainet-cpu": ainet_cpu,
    "pcnet": pcnet,
    "pcnet-cpu": pcnet_cpu,
}
"""Recipes by the name that the shell takes."""


UNTRAINED = ("slic", "ssn-pix")
"""Methods that learn nothing, called as recipes are."""


def all_recipes() -> Mapping[str, Callable[..., Recipe]]:
    """Return every recipe by name, those of segmentation and regression too."""
    from napari_superpixels.training.dense_recipes import DENSE  # loads torchvision

    return {**RECIPES, **DENSE}


def recipe(name: str, encoder: Encoder = AS_IT_IS) -> Recipe:
    """Return a recipe.

    Parameters
    ----------
    name
        One of `RECIPES` or of `dense_recipes.DENSE`; capitals and _ for - do not matter.
    encoder
        What of a ResNet is to be otherwise, of networks that have one.

    Raises
    ------
    InputError
        If there is none of that name, or its network has no ResNet or nothing like that.
    """
    known = name.lower().replace("_", "-")
    every: Mapping[str, Callable[..., Recipe]] = RECIPES if known in RECIPES else all_recipes()
    if known in UNTRAINED:
        raise InputError(
            f"There is no recipe {name!r}, for {name.lower()} needs no training; choose one of "
            f"{', '.join(every)}."
        )
    if known not in every:
        raise InputError(f"There is no recipe {name!r}; choose one of {', '.join(every)}.")
    if not encoder.wanted:
        return every[known]()
    if known in RECIPES:
        setting, value = next(iter(encoder.wanted.items()))
        raise InputError(
            f"The network of {name!r} has no ResNet, so no {setting} {value!r}; leave it out."
        )
    from napari_superpixels.training.dense_recipes import DENSE, encoded  # loads torchvision

    return encoded(DENSE[known], encoder)
