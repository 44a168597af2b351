"""The sentences and names that the panel *Objects* shows; pure text, no Qt."""

NOTHING_CHOSEN = "Choose a Labels layer that holds classes; a run of Segment gives one."
CANCELLING = "Cancelling."


def objects_name(layer: str) -> str:
    """Return what the objects of a layer are called, e.g. ``"cells segment classes objects"``."""
    return f"{layer} objects"


def wish_sentence(min_px: int, pixel_um2: float | None, *, split: bool) -> str:
    """Return what a run would find.

    Parameters
    ----------
    min_px
        The least size, in pixels.
    pixel_um2
        Area of a pixel in square micrometers; None where it is not known.
    split
        Whether objects are split.
    """
    area = "" if pixel_um2 is None else f" ({float(f'{min_px * pixel_um2:.3g}'):g} µm²)"
    how = "split where they are narrow, " if split else ""
    return f"Objects: {how}of {min_px:,} px{area} and more."


def found_sentence(count: int, whole: int, name: str) -> str:
    """Return what was found."""
    kept = f"; {whole:,} were too large to be split" if whole else ""
    noun = "object" if count == 1 else "objects"
    return f"Run: {count:,} {noun} in {name}{kept}."
