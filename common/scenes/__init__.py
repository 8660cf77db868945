"""Posed pictures of scenes: procedural ones with exact geometry, the course's, NeRF-synthetic's and nerfstudio's."""

from common.scenes.load import SCENES, load_scene
from common.scenes.posed_images import PosedImages

__all__ = ["SCENES", "PosedImages", "load_scene"]
