"""Measurements of speed and endurance; the tests do not run them."""

import common  # noqa: F401  sets the threads' waiting before torch starts them
