"""A run folder: config.yaml, history.csv, checkpoint, network.fsp. A run that is cut off leaves only whole files.

The checkpoint holds all that a resume needs and is written last: the rounds that it knows of are the ones that count.
"""

import contextlib
import io
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from fedsparse.errors import RunError, one_line
from fedsparse.experiment import SETTINGS, Experiment

RESULTS = ("config.yaml", "history.csv", "network.fsp")
"""The files beside the checkpoint, which has their checksums."""
RETIRED = {"lam_warmup": 0, "lam_delay": 0}
"""Settings that are no longer there, and the value with which a run is what it would be today."""


class RunFolder:
    """`<out>/<key>/`, used by one process at a time (a context manager). A folder by an earlier key is used as it is.

    Raises:
        RunError: on entering, if the folder cannot be written or another process is in it.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.path, earlier = (expanded(experiment.out) / key for key in (experiment.key, experiment.earlier_key))
        if os.path.isdir(earlier) and not os.path.isdir(self.path):  # Path's own raises where it may not look
            self.path = earlier
        self.experiment = experiment
        self.checksums: dict[str, int] = {}

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"{self.path} is in use: another process is doing this very run") from None
        except OSError as error:
            raise RunError(f"cannot write to out={self.experiment.out!r}: {error.strerror or error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            if [p.name for p in self.path.iterdir()] == [".lock"]:  # nothing came of it: leave nothing behind
                shutil.rmtree(self.path, ignore_errors=True)  # while it is still ours
        self._lock.release()

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Replace a file whole."""
        write_whole(self.path / name, content)
        self.checksums[name] = zlib.crc32(content)

    def write_config(self) -> None:
        """All settings, as YAML."""
        import yaml

        self.write("config.yaml", yaml.safe_dump(self.experiment.settings, sort_keys=False).encode())

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the checkpoint: tensors, numbers, text, and dicts and lists of them.

        With it are kept the settings, and checksums of the results that were written beside it.
        """
        buffer = io.BytesIO()
        results = {name: self.checksums[name] for name in RESULTS if name in self.checksums}
        torch.save({**checkpoint, "settings": self.experiment.settings, "results": results}, buffer)
        self.write("checkpoint", buffer.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None if there is none.

        Raises:
            RunError: it cannot be read, has other settings, or more rounds than asked for; nothing is deleted.
        """
        if not (self.path / "checkpoint").exists():
            return None
        checkpoint = read_checkpoint(self.path)
        made = {name: f.default for name, f in SETTINGS.items()} | settings_in(self.path, checkpoint)
        other = [f"{name}={made[name]}" for name, value in self.experiment.identity.items() if made[name] != value]
        if unknown := [f"{name}={value}" for name, value in made.items() if name not in SETTINGS]:
            other += unknown
        if other:
            raise RunError(f"{self.path} holds a run with {', '.join(other)}: choose another folder with out=")
        if (done := len(checkpoint["history"])) > self.experiment.rounds:
            raise RunError(
                f"{self.path} has {done} rounds already: ask for as many or more, or choose another folder with out="
            )
        return checkpoint

    def intact(self, checkpoint: Mapping[str, Any]) -> bool:
        """Whether the results beside a checkpoint are those that were written with it."""
        known = checkpoint.get("results", {})
        try:
            return all(zlib.crc32((self.path / name).read_bytes()) == known.get(name) for name in RESULTS)
        except OSError:
            return False


def expanded(path: str | Path) -> Path:
    """A path whose ~ is the user's folder; another ~ stays as it is."""
    return Path(os.path.expanduser(path))


def settings_in(folder: Path, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the run in a folder: from its checkpoint, or as earlier versions did from config.yaml.

    Raises:
        RunError: neither says.
    """
    import yaml

    if "settings" in checkpoint:
        made = checkpoint["settings"]
    else:
        try:
            made = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            made = None
        if not isinstance(made, dict):
            why = "does not say which settings its run has"
            raise RunError(f"{folder} {why}: restore its config.yaml, or move it away")
    return {name: value for name, value in made.items() if name not in RETIRED or value != RETIRED[name]}


def write_whole(file: Path, content: bytes | memoryview) -> None:
    """Replace a file: it is the old or the new one at every moment, also after a kill or a power cut.

    Raises:
        RunError: it cannot be written; it is then the old one.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(partial, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RunError(f"cannot write {file}: {error.strerror or error}") from None


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The checkpoint in a run folder, which needs neither its lock nor write access.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    file = folder / "checkpoint"
    try:
        return torch.load(file, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise RunError(f"no run in {folder}: it has no file named checkpoint") from None
    except Exception as error:  # torch.load raises almost anything on a damaged file
        raise RunError(
            f"{file} cannot be read ({one_line(error, 100)}); move it away to begin this run again"
        ) from None
