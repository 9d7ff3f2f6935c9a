"""Measures of image sets. Each stands alone: arrays of images in, a small report out."""
