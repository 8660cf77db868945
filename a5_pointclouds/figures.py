"""Figures and GIFs of this assignment."""


def training_curves(history, path):
    pass


def classification_outputs(result, clouds, folder):
    pass


def segmentation_outputs(result, clouds, folder):
    pass
