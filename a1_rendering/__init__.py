"""Assignment 1: cameras, meshes, textures, point clouds, parametric and implicit surfaces."""

import common  # noqa: F401  sets the threads' waiting before torch starts them
