"""Assignment 2: fitting voxels, points and meshes, and predicting them from one image."""
