"""Assignment 5: classification, segmentation and robustness of point clouds."""

import common  # noqa: F401  sets the thread policy, before torch is loaded
