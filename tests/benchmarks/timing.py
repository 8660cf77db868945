"""How long work takes."""

import statistics
import time
from collections.abc import Callable


def median_ms(work: Callable[[], object], seconds: float) -> float:
    """Median time of calls, 3 to 25 of them in about so many seconds. On a busy machine threads wait: be alone."""
    for _ in range(2):
        start = time.perf_counter()
        work()
    times, count = [], min(max(int(seconds / (time.perf_counter() - start)), 3), 25)
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)
