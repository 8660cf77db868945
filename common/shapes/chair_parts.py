"""What chairs are put together from, in one place."""

from common.shapes.chair_arms import add_arm_blocks, add_arms
from common.shapes.chair_backs import add_back, add_headrest
from common.shapes.chair_frame import ARM, BACK, BASE, HEADREST, LEG, PART_NAMES, SEAT, Frame, draw_frame
from common.shapes.chair_legs import add_legs
from common.shapes.chair_seats import add_seat

__all__ = [
    "ARM",
    "BACK",
    "BASE",
    "HEADREST",
    "LEG",
    "PART_NAMES",
    "SEAT",
    "Frame",
    "add_arm_blocks",
    "add_arms",
    "add_back",
    "add_headrest",
    "add_legs",
    "add_seat",
    "draw_frame",
]
