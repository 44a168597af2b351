"""The sentences and names that the panel *Objects* shows; pure text, no Qt."""

from napari_superpixels.napari_ui.layer_facts import length_text

NOTHING_CHOSEN = "Choose a Labels layer that holds classes; a run of Segment gives one."
CANCELLING = "Cancelling."


def objects_name(layer: str) -> str:
    """Return what the objects of a layer are called, e.g. ``"cells segment classes objects"``."""
    return f"{layer} objects"


def wish_sentence(min_px: int, pixel_um: float | None, *, split: bool) -> str:
    """Return what a run would find.

    Parameters
    ----------
    min_px
        The least size, in pixels.
    pixel_um
        Length of a square pixel in micrometers; None where it is not known.
    split
        Whether objects are split.
    """
    across = "" if pixel_um is None else f", {length_text(min_px**0.5 * pixel_um)} squared"
    how = "split where they are narrow, " if split else ""
    return f"Objects: {how}of {min_px:,} px and more{across}."


def found_sentence(count: int, whole: int, name: str) -> str:
    """Return what was found."""
    kept = f"; {whole:,} were too large to be split" if whole else ""
    noun = "object" if count == 1 else "objects"
    return f"Run: {count:,} {noun} in {name}{kept}."
