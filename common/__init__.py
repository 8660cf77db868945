"""What the assignments share."""

import ctypes
import os
import sys

# Waiting threads sleep instead of spinning, unless the user says otherwise. A spinning thread holds a core that another
# program needs; every small parallel operation then stalls for a time slice, which makes a training step on a busy
# laptop ten times slower. It must be set before torch starts its threads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# glibc gives tensors above 32 MB back to the system as soon as they are freed, and every step of a training pays for
# fresh pages again, a tenth of its time or more. Keep up to 1 GB blocks, as it does for smaller ones.
if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    if ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 30):  # an old glibc refuses, and then keeps its own ways
        ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
