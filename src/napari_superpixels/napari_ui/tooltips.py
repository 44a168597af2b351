"""What each field of the widget is for, with its unit; parameters of methods tell their own."""

TOOLTIPS = {
    "images": "Image layers to cut into superpixels; several on one grid are taken as channels. "
    "Until you choose, those of the active layer's file are chosen.",
    "level": "Resolution to work on: width and height in pixels, and the length of a pixel in "
    "micrometers where it is known; the finest comes first.",
    "method": "How pixels are assigned to superpixels.",
    "step": "Size of a cell in pixels of the chosen level, and so about that of a superpixel.",
    "step_um": "Size of a cell in micrometers; rounded to whole pixels of the chosen level.",
    "unit": "Whether the step is in pixels or in micrometers; the latter needs an image with a "
    "scale in units of length.",
    "mask": "A Labels layer (nonzero) or a Shapes layer (inside) that says where to look; "
    "elsewhere there are no labels.",
    "region": "What a run writes: all, what is on screen, or the rectangle of a Shapes layer. "
    "Labels are those of the whole image, so regions fit together.",
    "boundaries": "Shows the borders of the preview's superpixels as a layer of their own.",
    "folder": "Folder that a run writes to.",
    "output": "Name of the OME-Zarr that a run writes. One that is proposed becomes unique by "
    "itself; one that you write is taken as it is.",
    "device": "What computes. The methods of today run on processors; no graphics card is used.",
    "preview": "Show superpixels where you look, without writing anything; press again to stop.",
    "run": "Compute the whole region and write it as an OME-Zarr; go on looking around meanwhile.",
    "cancel": "Stop the run; what is done is kept, and Run goes on from there.",
    "copy": "Copy a Python script that does the same as Run to the clipboard.",
}
"""By name of the field or button."""
