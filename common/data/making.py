"""Data sets that are made once: by several processes, in a folder that takes its name when it is complete."""

import contextlib
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

DONE = "done.json"  # is there when the folder is complete


def make_once(final: Path, build: Callable[[Path], None]) -> None:
    """Let ``build`` fill a folder of this process, ``DONE`` last; then give it the name ``final``.

    Nothing is left of a build that fails.
    """
    folder = final.with_name(f"{final.name}.making{os.getpid()}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        build(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not (final / DONE).exists():
        shutil.rmtree(final, ignore_errors=True)
        with contextlib.suppress(OSError):  # another process was faster; what it made is the same
            folder.rename(final)
    shutil.rmtree(folder, ignore_errors=True)
    if not (final / DONE).exists():
        raise OSError(f"{final}: cannot be made there")


def in_processes(work: Callable, jobs: Sequence) -> Iterator:
    """Yield ``work(job)`` of each job, in any order; in processes of their own where there is more than one core.

    Processes cannot start from a script that keeps its work outside ``if __name__ == "__main__"``: then the jobs that
    are left run here.
    """
    workers = min(os.cpu_count() or 1, 8, len(jobs))
    if workers >= 2 and len(jobs) >= 8:
        left = dict.fromkeys(range(len(jobs)))
        try:
            with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
                futures = {pool.submit(work, job): number for number, job in enumerate(jobs)}
                try:
                    for future in as_completed(futures):
                        yield future.result()
                        del left[futures[future]]
                except BaseException:
                    pool.shutdown(cancel_futures=True)  # what is not begun is not worth waiting for
                    raise
            return
        except BrokenProcessPool:
            jobs = [jobs[number] for number in left]
    yield from map(work, jobs)
