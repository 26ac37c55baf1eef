"""What a process may do while it runs the code of a student: compute, and read what Python itself needs.

On Linux, Landlock is the wall: from then on the kernel refuses every change of files, every other program (since Linux
5.13), TCP connections (since 6.7) and signals to other processes (since 6.12). Everywhere, an audit hook of Python
refuses the same and more, and says so in words; by itself it is a fence, which malice can climb.
"""

import ctypes
import os
import sys
from pathlib import Path

CREATE_RULESET, RESTRICT_SELF = 444, 446
"""Numbers of Landlock's system calls, the same on every architecture; from linux/landlock.h, as the constants below."""
CHANGES = 0xFFF3
"""Every access to files but reading (bits 2 and 3): execute, write, remove, make, refer, truncate, ioctl."""
BITS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many of the 16 bits an early version of Landlock knows."""
NO_NEW_PRIVILEGES = 38
REFUSED = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.chdir",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.link", "os.symlink",
    "os.utime", "os.setxattr", "os.removexattr", "subprocess.Popen", "pty.spawn", "socket.__new__", "socket.connect",
    "ctypes.dlopen", "ctypes.dlsym", "ctypes.call_function", "gc.get_objects", "gc.get_referrers", "gc.get_referents",
    "resource.setrlimit", "resource.prlimit", "signal.pthread_kill", "sys.settrace", "sys.setprofile",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def enclose() -> None:
    """Let the kernel refuse this thread, and all that it starts, every change outside it.

    Where there is no Landlock nothing happens. What is open already can still be written.
    """
    if not sys.platform.startswith("linux"):
        return
    call = ctypes.CDLL(None, use_errno=True).syscall
    version = call(CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    files = CHANGES & ((1 << BITS.get(version, 16)) - 1)
    fields = (ctypes.c_uint64 * 3)(files, 0b11, 0b11)  # files; TCP: bind, connect; scope: abstract sockets, signals
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = call(CREATE_RULESET, fields, size, 0)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if rules < 0 or call(RESTRICT_SELF, rules, 0):
        raise OSError(ctypes.get_errno(), "Landlock refused its rules")
    os.close(rules)


def limit(seconds: int, gigabytes: float, megabytes_written: int = 16) -> None:
    """Limit this process: processor time, memory beyond what it has already, and the size of what it writes."""
    import resource  # which Windows does not have

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes_written << 20,) * 2)
    if (pages := Path("/proc/self/statm")).exists():  # elsewhere nobody says how much there is
        used = int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + int(gigabytes * 2**30),) * 2)


def fence(private: tuple[str, ...]) -> None:
    """Refuse, for the rest of this process, what is in `REFUSED`, every file opened to write, and what is private.

    Args:
        private: the beginnings of absolute paths that may not be read either.
    """
    closed = ("/proc", *private)

    # Nothing that the hook uses is looked up when it runs: code that it guards against could have replaced it.
    def hook(
        event: str, given: tuple, closed: tuple = closed, refused: frozenset = frozenset(REFUSED), kind: type = type,
        text: type = str, number: type = int, error: type = PermissionError, writing: int = WRITING,
    ) -> None:  # fmt: skip
        if event in refused:
            raise error(f"a submission may not use {event}")
        if event == "open" or event == "os.listdir" or event == "os.scandir":
            path = given[0]
            if event == "open" and kind(given[2]) is number and given[2] & writing:
                raise error("a submission may not write files")
            if kind(path) is number or path is None:
                return
            if kind(path) is not text or ".." in path or path.startswith(closed):
                raise error("a submission may not read this")

    sys.addaudithook(hook)
