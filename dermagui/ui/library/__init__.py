"""The Library page: sources, the grid of images, one image in detail."""
