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
    "device": "What computes. SLIC and SSN_pix give the same labels on each; those of networks may "
    "differ in rare pixels.",
    "preview": "Show superpixels where you look, without writing anything; press again to stop.",
    "run": "Compute the whole region and write it as an OME-Zarr; go on looking around meanwhile.",
    "cancel": "Stop the run; what is done is kept, and Run goes on from there.",
    "copy": "Copy a Python script that does the same as Run to the clipboard.",
}
"""By name of the field or button of the panel *Superpixels*."""

SEGMENT_TOOLTIPS = TOOLTIPS | {
    "images": "Image layers to find classes in; several on one grid are taken as channels. "
    "Until you choose, those of the active layer's file are chosen.",
    "level": "Resolution to work on: width and height in pixels, and the length of a pixel in "
    "micrometers where it is known. Take that which the network was trained on.",
    "mask": "A Labels layer (nonzero) or a Shapes layer (inside) that says where to look; "
    "elsewhere there are no classes.",
    "region": "What a run writes: all, what is on screen, or the rectangle of a Shapes layer. "
    "It is grown to what the network's windows start at; regions fit together.",
    "boundaries": "Shows the borders between classes as a layer of their own.",
    "device": "What computes; classes may differ in rare pixels between devices.",
    "preview": "Show classes where you look, without writing anything; press again to stop.",
}
"""By name of the field or button of the panel *Segment*."""

TRAINING_TOOLTIPS = {
    "image": "The image layer to learn from; its finest level is taken.",
    "segments": "The Labels layer to learn from, on the pixels of the image. For superpixels its "
    "numbers mean nothing, borders between labels are learned; for segmentation each is a class.",
    "method": "Which network learns: ssn, hcssn, scn and ainet make superpixels, hcdorn tells the "
    "distance to the border of objects, the others find classes; those with hc do it with implicit "
    "superpixels, at full resolution. More are in the shell, 'napari-superpixels train'.",
    "zero": "What 0 in the labels means: a label of its own, as between nuclei that are all "
    "painted, or that nothing is known there, as where only some regions are painted.",
    "classes": "What the numbers of the labels mean, e.g. 'background=1,gland=2+3,other=*'; * is "
    "all the rest. Left empty, each number is a class of its own. Their colours are those of the "
    "labels.",
    "evenly": "Rare classes count as much as frequent ones; for painted regions, whose sizes say "
    "nothing on how frequent a class is.",
    "start": "What the network begins with: weights that come with the method, your own, new ones, "
    "which need many more steps, or ImageNet's, which are fetched.",
    "steps": "Training steps; each takes some tenths of a second to some seconds.",
    "crop": "Side of the squares that are cut out of the image for each step (px); larger ones "
    "take longer.",
    "seed": "Chooses the squares and new weights; the same seed gives the same training.",
    "weights": "What the weights are called, here, in Python and in the shell. A name that is "
    "proposed becomes unique by itself; one that you write is taken as it is.",
    "train": "Train in the background, in a process of its own; go on working meanwhile. What is "
    "learned from is taken now: painting on changes nothing.",
    "stop": "Stop after the step that is on; the weights so far are kept.",
}
"""By name of the field or button of the panel *Train*."""

OBJECTS_TOOLTIPS = {
    "layer": "The Labels layer that holds classes: a finished run of Segment, a painted layer, "
    "another program's. What touches and is of one class is one object; 0 is background.",
    "classes": "Only objects of these classes; of all where none is chosen (Ctrl and click chooses "
    "several, and takes back).",
    "numbers": "Only objects of these classes, by number, e.g. '1, 3'; of all where it is empty.",
    "min_px": "Smaller objects are left out (pixels).",
    "max_px": "Larger objects are left out (pixels); 0 for no limit.",
    "connectivity": "Whether pixels that meet at a corner alone are of one object.",
    "split": "Cut objects where they are narrow; for round ones that touch. Sizes are then those "
    "of the pieces.",
    "distance_px": "How far apart the middles of two pieces are at least (pixels).",
    "largest_px": "How long or wide an object may be to be split (pixels); each is split whole, "
    "in memory.",
    "exact": "Refuse to go on where an object is too large to be split; else it stays whole, and "
    "is counted.",
    "folder": TOOLTIPS["folder"],
    "output": TOOLTIPS["output"],
    "run": "Find the objects of the whole layer and write them with a table, as an OME-Zarr; go on "
    "working meanwhile.",
    "cancel": TOOLTIPS["cancel"],
}
"""By name of the field or button of the panel *Objects*."""
