"""What the assignments share."""

import os

# Waiting threads sleep instead of spinning, unless the user says otherwise. A spinning thread holds a core that another
# program needs; every small parallel operation then stalls for a time slice, which makes a training step on a busy
# laptop ten times slower. It must be set before torch starts its threads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
