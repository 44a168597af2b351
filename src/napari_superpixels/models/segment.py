"""Segmentation and regression by a trained network: its settings.

The cells of the lattice are what windows of the network must start at; nothing else depends on
them. Networks that see a bounded part of the image run in windows that read as much around them;
those that average over all they see run on patches of one size whose places depend on the image
alone, and what overlaps is blended (`models.patches`).
"""

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from napari_superpixels.errors import InputError
from napari_superpixels.models import clustering, foreign, learned
from napari_superpixels.models.outputs import Output
from napari_superpixels.models.patches import Patches
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.models.settings import About, filled_in, setting
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.trained import (
    NETWORK,
    RECIPE,
    Facts,
    Trained,
    found_weights,
    samples_of,
    trained_of,
)
from napari_superpixels.models.views import (
    FLIPS,
    View,
    cell_px,
    check_flips,
    check_scales,
    views_of,
)
from napari_superpixels.models.weights import Weights, path_of

if TYPE_CHECKING:
    from napari_superpixels.models.dense import DenseModel

WINDOW_PX = 1024
"""Edge of a window of a run."""
PATCH_PX = 1024
"""Edge of a patch of networks that average over all they see, where nobody asks for another."""
SHARED = 4
"""Two neighbouring patches share one part in so many of their edge."""
PATCHES = 4
"""Patches along a window: at its ends some are computed twice, for its neighbour again."""
BLENDED = (
    "another patch (--patch) gives another result: with a trained HCPSPNet 3 % of the pixels "
    "differ between patches of 512 px and the whole image"
)
"""What is to be known where patches are blended; the number is of a report in benchmarks."""
WEIGHTS = About(
    text="A file of trained weights, or a network of others (.pt2, TorchScript), with its card "
    "beside it; a package of BioImage.IO; or the name of weights of yours.",
    suffixes=(SUFFIX, *foreign.SUFFIXES),
    empty="none",
    decides=False,
)
EXACT = About(
    text="Whether results must not depend on how the image is cut: refused for networks that "
    "average over all they see."
)
PROBABILITIES = About(text="Whether the probability of each class is written, not the likeliest.")
FLIPS_ABOUT = About(
    text="Axes along which the image is mirrored too, 'x', 'y' or 'yx', and what is found "
    "averaged.",
    choices=FLIPS,
    seldom=True,
)
PATCH = About(
    text="Edge of the patches that networks see which average over all they see; best is about "
    "what they were trained on.",
    unit="px",
    low=64,
    high=8192,
    seldom=True,
)
DECODINGS = ("soft", "hard")
DECODING = About(
    text="Of HC networks: whether a pixel takes a mixture of what the clusters around it say, or "
    "what its own one says.",
    choices=DECODINGS,
    seldom=True,
)
SCALES = About(
    text="Sizes at which the image is looked at; what is found is averaged.", seldom=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A class, or a number, for every pixel, by a trained network.

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """

    name: ClassVar[str] = "segment"
    revision: ClassVar[int] = 1
    integers: ClassVar[bool] = False
    network: ClassVar[str] = NETWORK

    weights: str = setting("", WEIGHTS)
    """A ``.safetensors`` file or a network of others with its card beside it, a package, or the
    name of weights of the user's own."""
    exact: bool = setting(default=True, about=EXACT)
    """Whether results must not depend on how the image is cut."""
    probabilities: bool = setting(default=False, about=PROBABILITIES)
    """Whether the probability of each class is written, float16, one channel a class."""
    flips: str = setting("", FLIPS_ABOUT)
    """Axes along which the image is mirrored too: ``"x"``, ``"y"``, ``"yx"`` or none."""
    scales: tuple[float, ...] = setting((1.0,), SCALES)
    """Sizes at which the image is looked at, multiples of 0.25 from 0.25 to 4."""
    patch: int = setting(PATCH_PX, PATCH)
    """Edge of a patch where `exact` is False, in pixels; grown to whole cells, four at least.
    Networks that run exactly have none."""
    decoding: str = setting("soft", DECODING)
    """How an HC network comes back to full resolution: ``"soft"``, a pixel takes a mixture of what
    the nine clusters around it say, or ``"hard"``, what its own one says."""
    digest: str = filled_in("")
    """SHA-256 of the weights; filled in, so that it is part of a plan."""
    config: str = filled_in("")
    """What the weights' card tells, as JSON; filled in likewise."""

    def __post_init__(self) -> None:
        for name in ("exact", "probabilities"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"{name} is {getattr(self, name)!r}, but it must be True or False."
                )
        if self.decoding not in DECODINGS:
            raise InputError(
                f"decoding is {self.decoding!r}, but pixels take a mixture of clusters or their "
                f"own; give 'soft' or 'hard'."
            )
        found = _found(self.weights)
        learned.check_digest(self.weights, self.digest, found.digest)
        if self.weights.endswith(SUFFIX) or foreign.is_foreign(self.weights):
            object.__setattr__(self, "weights", found.path)
        filled = {
            "flips": check_flips(self.flips),
            "scales": check_scales(self.scales),
            "patch": _checked_patch(self.patch),
            "digest": found.digest,
            "config": found.text,
        }
        for field, value in filled.items():
            object.__setattr__(self, field, value)
        self._check_layers()
        if self.facts.exact:  # nothing is blended in vain, nor tells plans apart
            object.__setattr__(self, "exact", True)
        if "patch" in self.idle:
            object.__setattr__(self, "patch", PATCH_PX)
        self.trained.output(probabilities=self.probabilities)

    def _check_layers(self) -> None:
        """Refuse what the network's layers do not allow."""
        name, facts = self.trained.name, self.facts
        if self.exact and not facts.exact:
            raise InputError(
                f"The network {name!r} averages over all that it sees, so its result depends on "
                f"the window; give exact=False (--no-exact) for patches of one size that are "
                f"blended, whose size then decides some pixels, or weights of an FCN or FPN."
            )
        if facts.edge_px and self.scales != (1.0,):
            raise InputError(
                f"The network {name!r} takes images of one size, so it cannot look at "
                f"{self.scales} of it; give scales=(1,) (--scales 1)."
            )
        if self.decoding != "soft" and not facts.clusters:
            raise InputError(
                f"decoding is {self.decoding!r}, but the network {name!r} has no clusters to come "
                f"back by; give decoding='soft' (--decoding soft), or weights of an HC network."
            )

    @property
    def idle(self) -> frozenset[str]:
        """Settings that have no effect on this network."""
        patch, decoding = self.facts.exact or self.facts.edge_px, not self.facts.clusters
        return frozenset({"patch"} if patch else ()) | frozenset({"decoding"} if decoding else ())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the result, a sentence each."""
        return () if "patch" in self.idle else (BLENDED,)

    @property
    def trained(self) -> Trained:
        """What the weights' card tells."""
        return trained_of(self.config, self.weights)

    @property
    def facts(self) -> Facts:
        """What the network's layers decide."""
        return self.trained.facts

    @property
    def output(self) -> Output:
        """What is written."""
        return self.trained.output(probabilities=self.probabilities)

    @property
    def views(self) -> tuple[View, ...]:
        """How the network looks at the image."""
        return views_of(self.flips, self.scales)

    @property
    def patches(self) -> Patches | None:
        """What the network sees at once; None where it sees windows as a whole."""
        if self.facts.edge_px:
            edge, halo = (n // self.step for n in (self.facts.edge_px, self.facts.halo_px))
            return Patches(edge, 2 * halo or edge // SHARED, halo)
        if self.facts.exact:
            return None
        edge = max(SHARED, -(-self.patch // self.step))
        return Patches(edge, edge // SHARED)

    @property
    def step(self) -> int:
        """Size of a cell, in pixels: what windows start at, whole strides of the network."""
        return cell_px(self.facts.align_px, self.views)

    @property
    def fixed_windows(self) -> bool:
        """Whether all tiles must have one shape: patches have it instead."""
        return self.patches is None

    @property
    def align_cells(self) -> int:
        """Tiles start at a multiple of this: of patches where one begins."""
        return 1 if self.patches is None else self.patches.stride

    @property
    def window_px(self) -> int:
        """Edge of a window of a run."""
        patches = self.patches
        return WINDOW_PX if patches is None else PATCHES * patches.stride * self.step

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its values depend."""
        if self.patches is not None:
            return self.patches.edge
        return max(-(-view.reach(self.facts.halo_px) // self.step) for view in self.views)

    def _file(self) -> Weights:
        """Return the weights; nothing is read."""
        if foreign.is_foreign(self.weights):
            return Weights(self.weights, foreign.NETWORK, self.config, self.digest)
        return Weights(str(path_of(self.weights, RECIPE)), NETWORK, self.config, self.digest)

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
        return clustering.needs_statistics(facts)

    def needs_projection(self, _facts: ImageFacts) -> bool:
        """Whether channels must be projected to fewer: a network takes those that it knows."""
        return False

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> "DenseModel":
        """Make the callable that the engine runs.

        Raises
        ------
        InputError
            If the samples are no real numbers, or the weights take other channels.
        """
        from napari_superpixels.models.dense import DenseModel

        return DenseModel(
            weights=self._file(),
            samples=samples_of(self.trained, self, facts, statistics),
            trained=self.trained,
            output=self.output,
            views=self.views,
            patches=self.patches,
            step=self.step,
            decoding=self.decoding,
        )


def _checked_patch(patch: Any) -> int:
    assert PATCH.low is not None, "declared above"
    assert PATCH.high is not None, "declared above"
    try:
        edge = operator.index(patch)
    except TypeError:
        edge = 0
    if not PATCH.low <= edge <= PATCH.high or isinstance(patch, bool):
        raise InputError(
            f"patch is {patch!r}, but it must be a whole number of pixels, {PATCH.low:g} to "
            f"{PATCH.high:g}; give e.g. patch=512 (--patch 512)."
        )
    return edge


def _found(weights: Any) -> Weights:
    """Return the weights that a setting names; their card is read."""
    if isinstance(weights, str) and foreign.is_foreign(weights):
        return foreign.find(weights)
    return found_weights(weights, Segment.name, WEIGHTS.suffixes)
