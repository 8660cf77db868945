"""What the assignments share."""

import ctypes
import os
import sys

# A thread that waits for the next operation spins for a fifth of a millisecond and then sleeps, unless the user says
# otherwise. To wake a sleeping one takes 90 microseconds, more than most operations of an image; one that spins on, as
# libgomp's do by default, holds a core that another program needs: two renderings at once then take 900 ms each rather
# than 75, and 25 alone. It must be set before torch starts its threads.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# glibc gives tensors above 32 MB back to the system as soon as they are freed, and every step of a training pays for
# fresh pages again, a tenth of its time or more. Keep up to 1 GB blocks, as it does for smaller ones.
if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    if ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 30):  # an old glibc refuses, and then keeps its own ways
        ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
