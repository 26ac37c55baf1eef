"""Worker processes: relative paths mean the caller's folder, and Ctrl-C is the caller's, which then ends them."""

import _thread
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeVar

from fedsparse.errors import RunError

R = TypeVar("R")
ENDED = "a run was ended from outside, perhaps for want of memory: fewer at a time may do; every finished round is kept"


def in_processes(
    function: Callable[..., R], calls: Iterable[tuple[Any, ...]], jobs: int, ordered: bool = True
) -> Iterator[R]:
    """The results of calling a function with each tuple of arguments, from `jobs` worker processes; −1 is one per core.

    Args:
        ordered: give results in the order of the calls; otherwise each as soon as it is there.

    Raises:
        RunError: a worker was ended from outside.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    here = Path.cwd()

    def work(*call: Any) -> R:
        follow_caller(here)
        return function(*call)

    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator" if ordered else "generator_unordered")
    try:
        with ctrl_c_is_ours():
            yield from parallel(joblib.delayed(work)(*call) for call in calls)
    except TerminatedWorkerError:
        raise RunError(ENDED) from None


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, torch works with one thread: each of several processes has a core of its own."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def ctrl_c_is_ours() -> Iterator[None]:
    """Processes that are started meanwhile begin with Ctrl-C blocked: while they load it would end in a traceback.

    A blocked signal is blocked for this thread too; another one waits for it, and interrupts this one.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield  # on Windows, and where nobody is interrupted
        return
    from joblib.externals.loky.backend import resource_tracker as trackers_of_workers

    said = os.environ.get("PYTHONWARNINGS", "")
    os.environ["PYTHONWARNINGS"] = f"{said},ignore:resource_tracker:UserWarning".strip(",")
    for tracker in (resource_tracker, trackers_of_workers):  # started later, they would unblock the signal; they warn
        tracker.ensure_running()  # of what ended workers leave to them, and remove it
    os.environ["PYTHONWARNINGS"] = said
    over = threading.Event()

    def listen() -> None:
        while signal.sigwait({signal.SIGINT}) and not over.is_set():
            _thread.interrupt_main()

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        signal.pthread_kill(listener.ident or 0, signal.SIGINT)
        listener.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_caller(folder: Path) -> None:
    """In a worker process: work in the caller's folder, and ignore Ctrl-C. In the caller itself nothing is changed."""
    if multiprocessing.current_process().name != "MainProcess":
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
