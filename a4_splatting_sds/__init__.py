"""Assignment 4: 3D Gaussian splatting, and score distillation."""
