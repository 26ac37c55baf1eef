"""Check this machine: installed packages, devices, the folder of runs, data sets.

    python -m fedsparse doctor [data_root=FOLDER]

PASS or FAIL stands before each thing that fedsparse needs, -- before what it can do without.
"""

import importlib
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fedsparse.experiment import TORCHVISION_DATASETS, Experiment
from fedsparse.tools.overrides import CommandLine

NEEDED = (
    "torch", "torchvision", "numpy", "scipy", "pandas", "scikit-learn", "constriction", "zstandard", "hydra-core",
    "hydra-joblib-launcher", "joblib", "filelock", "pyyaml", "tqdm",
)  # fmt: skip
OPTIONAL = {
    "flower": ("flwr", "ray"),
    "notebooks": (
        "jupyterlab", "ipykernel", "ipywidgets", "papermill", "nbformat", "nbclient", "nbconvert", "matplotlib",
        "pillow", "seaborn", "flwr",
    ),
    "grading": ("nbgrader",),
    "site": ("sphinx", "myst-nb", "furo", "latex2mathml"),
}  # fmt: skip
"""By extra: what only this part of fedsparse needs. Of two extras with a package, the first is the one to install."""

MODULES = {
    "scikit-learn": "sklearn", "hydra-core": "hydra", "pillow": "PIL", "pyyaml": "yaml",
    "hydra-joblib-launcher": "hydra_plugins.hydra_joblib_launcher",
}  # fmt: skip
"""What is imported, where the package has another name."""


def main(argv: Sequence[str]) -> int:
    """Print the report; returns 1 if anything that fedsparse cannot do without is missing, else 0."""
    line = CommandLine(argv)
    root = line.option("data_root", Experiment().data_root)
    line.settings()
    failed = 0

    def report(ok: bool | None, what: str, detail: str) -> None:
        nonlocal failed
        failed += ok is False
        print(f"{'  -- ' if ok is None else 'PASS ' if ok else 'FAIL '} {what:<24}{detail}")

    report(sys.version_info >= (3, 11), "python", f"{platform.python_version()} on {platform.platform()} (needs 3.11)")
    for name in NEEDED:
        report(*_package(name))
    extras = {name: extra for extra, packages in reversed(OPTIONAL.items()) for name in packages}
    for name in dict.fromkeys(name for packages in OPTIONAL.values() for name in packages):
        ok, what, detail = _package(name)
        report(ok or None, what, detail if ok else f"{detail}; needed for: pip install 'fedsparse[{extras[name]}]'")
    report(*_trains())
    here = Path(Experiment().out)
    report(_writable(here), "folder of runs", f"{here.resolve()}")
    for what, detail in [*_devices(), *_data(Path(os.path.expanduser(root)))]:
        report(None, what, detail)
    print(f"\n{'All needs are met.' if not failed else f'{failed} of the needs are not met.'}")
    return 1 if failed else 0


def _package(name: str) -> tuple[bool, str, str]:
    module = MODULES.get(name, name.replace("-", "_"))
    try:
        found = version(name)
        importlib.import_module(module)
    except PackageNotFoundError:
        return False, name, "not installed"
    except Exception as error:  # whatever an import raises is what the user needs to read
        return False, name, f"{found} is installed, but its import fails: {str(error).splitlines()[0]}"
    return True, name, found


def _trains() -> tuple[bool, str, str]:
    """One round of a tiny federation, in memory."""
    try:
        from fedsparse.federation import Federation

        row = Federation(Experiment(model="mlp", width=0.05, clients=2, local_epochs=1, device="cpu")).round()
    except Exception as error:  # as above
        return False, "a tiny round", f"{type(error).__name__}: {error}"
    return True, "a tiny round", f"{row['uplink_bytes']:,} bytes up, {row['downlink_bytes']:,} bytes down"


def _devices() -> list[tuple[str, str]]:
    try:
        import torch
    except ImportError:
        return []
    found = [("cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads")]
    found += [(f"cuda:{i}", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]
    return found + ([("mps", "Apple GPU")] if torch.backends.mps.is_available() else [])


def _writable(folder: Path) -> bool:
    nearest = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def _data(root: Path) -> list[tuple[str, str]]:
    """Every data set once, and what a run would take by this name."""
    found = {"digits": "embedded in scikit-learn"}
    folders = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
    for name in TORCHVISION_DATASETS:
        folder = folders.get(name) or next((p.name for p in root.glob("*") if p.name.lower() == name), "")
        there = bool(folder) and any(p.is_file() for p in (root / folder).rglob("*"))
        found[name] = f"in {root / folder}" if there else "downloaded on first use"
    own = {p.stem: str(p) for p in sorted(root.glob("*.npz"))}
    if digits := own.pop("digits", None):
        found["digits"] += f"; rename {digits} to use it"
    return [(f"data: {name}", detail) for name, detail in (found | own).items()]
