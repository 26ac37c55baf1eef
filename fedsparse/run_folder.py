"""A run folder: config.yaml, history.csv, checkpoint, network.fsp. A run that is cut off leaves only whole files.

The checkpoint holds all that a resume needs and is written last: the rounds that it knows of are the ones that count.
"""

import io
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from fedsparse.errors import RunError
from fedsparse.experiment import Experiment


class RunFolder:
    """`<out>/<key>/`, used by one process at a time (a context manager).

    Raises:
        RunError: on entering, if the folder cannot be written or another process is in it.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.path = Path(experiment.out).expanduser() / experiment.key
        self.experiment = experiment

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
        self._lock.release()
        if [p.name for p in self.path.iterdir()] == [".lock"]:  # nothing came of it: leave nothing behind
            shutil.rmtree(self.path, ignore_errors=True)

    def complete(self) -> bool:
        """Whether the results are there beside the checkpoint."""
        return all((self.path / name).exists() for name in ("config.yaml", "history.csv", "network.fsp"))

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Replace a file whole: it is the old or the new one at every moment, also after a kill or a power cut."""
        partial = self.path / f".{name}.partial"
        try:
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path / name)
        except OSError as error:
            raise RunError(f"cannot write {self.path / name}: {error.strerror or error}") from None

    def write_config(self) -> None:
        """All settings, as YAML."""
        import yaml

        self.write("config.yaml", yaml.safe_dump(self.experiment.settings, sort_keys=False).encode())

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Replace the checkpoint: tensors, numbers, text, and dicts and lists of them."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        self.write("checkpoint", buffer.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None if there is none.

        Raises:
            RunError: it cannot be read; nothing is deleted.
        """
        file = self.path / "checkpoint"
        if not file.exists():
            return None
        try:
            return torch.load(file, weights_only=True, map_location="cpu")
        except Exception as error:  # torch.load raises almost anything on a damaged file
            why = " ".join(str(error).split())[:100]
            raise RunError(f"{file} cannot be read ({why}); move it away to begin this run again") from None
