"""Tiled superpixels over images of any size; the tiling never shows."""
