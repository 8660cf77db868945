"""Assignment 3: volume rendering, radiance fields, sphere tracing, neural signed distances."""

import common  # noqa: F401  sets the threads' waiting before torch starts them
