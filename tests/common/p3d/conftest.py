"""Fixtures of the p3d tests: PyTorch3D's own outputs, the weights its gradient scalars were made with, files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def golden() -> Callable[[str | Path], tuple[dict[str, Tensor], dict]]:
    """Reads an .npz of golden outputs (by name, or by path): its arrays as tensors, and its description."""

    def read(name: str | Path) -> tuple[dict[str, Tensor], dict]:
        path = name if isinstance(name, Path) else GOLDEN / f"{name}.npz"
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(str(file["meta"]))
            return {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}, meta

    return read


@pytest.fixture(scope="session")
def wave() -> Callable[[torch.Size, float], Tensor]:
    """sin(0.37 i + phase) of the linear index i, float32: the weights of the golden files' gradient scalars."""

    def make(shape: torch.Size, phase: float) -> Tensor:
        values = np.sin(0.37 * np.arange(int(np.prod(shape))) + phase)
        return torch.from_numpy(values.astype(np.float32)).view(shape)

    return make


@pytest.fixture
def write(tmp_path):
    """Writes a file into the test's folder and gives its path."""

    def make(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make
