"""Work in parallel on a processor: one thread per core, each with one thread inside torch's own operations.

Different numbers of threads round sums differently. With one each, results depend neither on the number of cores nor
on what runs at the same time; and on a busy machine no thread spins while it waits for a core.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def worker_count(device: torch.device) -> int:
    """How many may work in parallel: torch's number of threads on a processor, one on any other device."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def parallel_map(function: Callable[[T], R], items: Iterable[T], count: int) -> Iterator[R]:
    """`map(function, items)`, in order, `count` items at a time, each on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if count == 1:
            yield from map(function, items)
            return
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(function, items)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def borrowed(idle: list[T], make: Callable[[], T]) -> Iterator[T]:
    """One of what is idle, or a new one, for one thread at a time; afterwards it is idle again."""
    try:  # another thread may take the last idle one between a test and a pop
        one = idle.pop()
    except IndexError:
        one = make()
    try:
        yield one
    finally:
        idle.append(one)


def keep_freed_memory() -> None:
    """Ask glibc to keep large blocks that are freed: fetched anew at every step, they cost a tenth of its time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):  # another C library
        return
    for parameter in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        mallopt(parameter, 1 << 30)
