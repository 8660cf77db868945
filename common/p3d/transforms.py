"""Everything of `pytorch3d.transforms`: conversions of rotations, SO(3) and SE(3) maps, and `Transform3d`."""

from . import rotations, so3, transform3d
from .rotations import *  # noqa: F403
from .so3 import *  # noqa: F403
from .transform3d import *  # noqa: F403

__all__ = [*rotations.__all__, *so3.__all__, *transform3d.__all__]
