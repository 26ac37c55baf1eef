"""`Experiment`: every setting of a federation, once: type, default, allowed values, one line of help.

All else reads this one schema. Settings are checked when an `Experiment` is made: one that exists can be run.
"""

import difflib
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from dataclasses import replace as dataclass_replace
from typing import Any

from fedsparse.errors import SettingError

MASKS = ("fedpm", "top_mask", "fed_mask")
WEIGHTS = ("fedavg", "sign_sgd", "qsgd", "eden")
ALGORITHMS = ("fedpm", "fedavg", "sign_sgd", "top_mask", "fed_mask", "qsgd", "eden")
TORCHVISION_DATASETS = ("mnist", "fashionmnist", "kmnist", "emnist", "cifar10", "cifar100")


def _setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    low: float = -math.inf,
    high: float = math.inf,
    algorithms: tuple[str, ...] = ALGORITHMS,
):
    """A field of `Experiment`; `algorithms` are those that read the setting."""
    metadata = {"help": help, "choices": choices, "low": low, "high": high, "algorithms": algorithms}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Experiment:
    """One federation, described completely: the same `Experiment` on the same machine gives the same bytes.

    Raises:
        SettingError: a value of the wrong type, or out of range; the message names both.
    """

    dataset: str = _setting("digits", "digits (embedded), a torchvision set, or the <name> of your own <name>.npz")
    data_root: str = _setting("data", "folder in which data sets are found, or downloaded to")
    train_size: int = _setting(0, "training images to keep, drawn by seed; 0 keeps all", low=0)
    model: str = _setting("conv2", "network", choices=("conv2", "conv4", "conv6", "conv10", "lenet", "mlp"))
    width: float = _setting(0.5, "multiplier on every hidden width", low=0.01, high=8)
    clients: int = _setting(10, "clients in the population", low=1, high=100_000)
    cohort: int = _setting(0, "clients that take part in a round, drawn by (seed, round); 0 means all", low=0)
    dropout: float = _setting(
        0.0, "probability that a client of the round receives θ and never answers, by (seed, round, client)", low=0,
        high=1,
    )  # fmt: skip
    partition: str = _setting(
        "iid",
        "how training images are dealt: iid, whole classes, a Dirichlet draw per class, or shards sorted by class",
        choices=("iid", "classes", "dirichlet", "shards"),
    )
    classes_per_client: int = _setting(
        2, "classes of a client, exactly (partition=classes), or its shards (partition=shards)", low=1, high=100_000
    )
    alpha: float = _setting(
        0.5, "concentration α (partition=dirichlet): 0.01 is a class to one client, 100 near iid", low=0.01, high=100
    )
    size_skew: float = _setting(
        0.0, "σ of log-normal client sizes (partition=iid, classes); 0 is equal sizes", low=0, high=5
    )
    rounds: int = _setting(
        30, "rounds in total; asking for more goes on from those that are there", low=1, high=100_000
    )
    local_epochs: int = _setting(3, "passes over its own data that a client makes each round", low=1, high=1000)
    batch_size: int = _setting(32, "images per local step", low=1, high=100_000)
    optimizer: str = _setting("adam", "local optimizer", choices=("adam", "sgd"))
    lr: float = _setting(0.1, "learning rate of the scores", low=1e-9, high=1000, algorithms=MASKS)
    optimizer_state: str = _setting(
        "fresh", "a client's optimizer moments: fresh each round, or kept at the client", choices=("fresh", "kept")
    )
    algorithm: str = _setting("fedpm", "the method: what is sent, and how it is aggregated", choices=ALGORITHMS)
    density: float = _setting(
        0.5, "share of weights that a client's mask keeps in each layer", low=0, high=1, algorithms=("top_mask",)
    )
    weight_lr: float = _setting(0.001, "learning rate of weights", low=1e-9, high=1000, algorithms=WEIGHTS)
    server_lr: float = _setting(
        0.002, "how far a majority vote moves a weight", low=1e-9, high=1000, algorithms=("sign_sgd",)
    )
    bits: int = _setting(
        1, "bits per weight that an update is quantized to", low=1, high=2, algorithms=("qsgd", "eden")
    )
    lam: float = _setting(
        0.0, "weight λ of the regularizer in the local loss; 0 is plain FedPM", low=0, high=1e6, algorithms=("fedpm",)
    )
    lam_warmup: int = _setting(
        0,
        "rounds over which λ rises linearly from 0 to lam; 0 is lam from the first round",
        low=0,
        high=100_000,
        algorithms=("fedpm",),
    )
    lam_delay: int = _setting(
        0,
        "rounds at λ = 0 before lam, or its warm-up, begins: the network learns first",
        low=0,
        high=100_000,
        algorithms=("fedpm",),
    )
    target_bpp: float = _setting(
        0.0,
        "measured uplink, in bpp, that λ follows from lam on, by dual ascent; 0 leaves λ to lam",
        low=0,
        high=1,
        algorithms=("fedpm",),
    )
    regularizer: str = _setting(
        "sparsity",
        "mean of σ(s), entropy of σ(s), or KL(σ(s) ‖ θ)",
        choices=("sparsity", "entropy", "kl"),
        algorithms=("fedpm",),
    )
    estimator: str = _setting(
        "identity",
        "gradient through the sampled mask: straight-through, or times θ as in the published FedPM code",
        choices=("identity", "scaled"),
        algorithms=("fedpm",),
    )
    init: str = _setting(
        "kaiming", "constant c of the frozen weights ±c: √2/√fan_in, or FedPM's e/√fan_in", choices=("kaiming", "fedpm")
    )
    scores: str = _setting(
        "half", "first θ: ½ everywhere, or σ of a standard normal", choices=("half", "normal"), algorithms=("fedpm",)
    )
    aggregation: str = _setting(
        "mean",
        "θ from the masks: their mean, their mean weighted by samples, or the mode of a Beta posterior",
        choices=("mean", "weighted", "beta"),
    )
    prior_reset: int = _setting(
        1, "rounds between resets of the Beta prior (aggregation=beta)", low=1, high=100_000, algorithms=MASKS
    )
    clip: float = _setting(
        0.01,
        "θ is kept in [clip, 1 − clip]; at 0 a weight on which all clients agree never changes again",
        low=0,
        high=0.49,
        algorithms=MASKS,
    )
    codec: str = _setting(
        "context",
        "bytes on the wire: coded (weights: deflated by zstd), plain packed bits (weights: float32), or by shared "
        "randomness (fedpm)",
        choices=("context", "packed", "shared"),
    )
    engine: str = _setting(
        "fast",
        "how clients are trained: in parallel, as fast as the device allows, or plainly, one after the other",
        choices=("fast", "plain"),
    )
    seed: int = _setting(0, "every random draw follows from it", low=0, high=2**63 - 1)
    device: str = _setting(
        "auto", "where to compute; auto takes a GPU if there is one", choices=("auto", "cpu", "cuda", "mps")
    )
    precision: str = _setting(
        "float32",
        "of the network's arithmetic; scores stay float32; auto is bfloat16 where the device computes it natively",
        choices=("float32", "bfloat16", "auto"),
    )
    evaluate_every: int = _setting(
        1, "rounds between evaluations; the last round is always evaluated", low=1, high=100_000
    )
    out: str = _setting("runs", "folder of run folders")

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _checked(f.name, getattr(self, f.name)))
        for name, value in self.settings.items():
            readers = SETTINGS[name].metadata["algorithms"]
            if value != SETTINGS[name].default and self.algorithm not in readers:
                raise SettingError(
                    f"{name}={value} would have no effect: it belongs to algorithm={' or '.join(readers)}, "
                    f"not to {self.algorithm}"
                )
        if self.cohort > self.clients:
            raise SettingError(f"cohort={self.cohort} is more than there are clients ({self.clients})")
        for schedule in ("lam_warmup", "lam_delay"):
            if self.target_bpp and getattr(self, schedule):
                why = f"target_bpp={self.target_bpp:g} chooses λ by itself from lam on"
                raise SettingError(f"{why}: it needs {schedule}=0")
        if self.target_bpp and self.codec == "packed":
            raise SettingError("target_bpp needs codec=context or shared: packed masks take 1 bpp whatever λ is")
        if self.algorithm in ("top_mask", "fed_mask") and not self.clip:
            raise SettingError(f"clip=0 with algorithm={self.algorithm}: a mask may keep a weight that θ = 0 excludes")
        if self.codec == "shared" and (self.algorithm != "fedpm" or not self.clip):
            raise SettingError("codec=shared is for masks sampled from θ: it needs algorithm=fedpm and clip > 0")
        if self.size_skew and self.partition in ("dirichlet", "shards"):
            why = "shards are equal by definition" if self.partition == "shards" else "its clients are unequal already"
            raise SettingError(f"size_skew={self.size_skew:g} cannot go with partition={self.partition}: {why}")
        if (self.lam or self.target_bpp) and not self.clip and self.regularizer != "sparsity":
            raise SettingError(f"regularizer={self.regularizer} needs clip > 0: without it scores become infinite")
        if self.aggregation == "beta" and self.algorithm in WEIGHTS:
            raise SettingError(f"aggregation=beta is for masks: algorithm={self.algorithm} takes mean or weighted")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None = None, *, preset: str | None = None) -> "Experiment":
        """An `Experiment` from a preset (or the defaults) and a mapping of settings on top.

        Raises:
            SettingError: an unknown name (the nearest known one is offered), a wrong type, a value out of range.
        """
        if preset is not None and preset not in PRESETS:
            raise SettingError(f"no preset {preset!r}{nearest(preset, PRESETS)}; there are {', '.join(PRESETS)}")
        merged = {**(PRESETS[preset] if preset else {}), **(settings or {})}
        for name in merged:
            if name not in SETTINGS:
                known = nearest(name, SETTINGS) or f"; the settings are {', '.join(SETTINGS)}"
                raise SettingError(f"no setting {name!r}{known}")
        return cls(**merged)

    def replace(self, **changes: Any) -> "Experiment":
        """A copy with some settings changed, checked like a new one."""
        return dataclass_replace(self, **changes)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by name."""
        return {name: getattr(self, name) for name in SETTINGS}

    @property
    def key(self) -> str:
        """Name of the run folder: a readable slug, and a hash of the settings that differ from their defaults.

        `rounds` and `out` are left out: more rounds, or another place, is the same run. Defaults are left out too, so
        that a new setting does not rename old runs.
        """
        changed = {k: v for k, v in self.settings.items() if k not in ("rounds", "out") and v != SETTINGS[k].default}
        digest = hashlib.blake2b(json.dumps(changed, sort_keys=True).encode(), digest_size=4).hexdigest()
        return f"{self.dataset}-{self.model}-{self.algorithm}-lam{self.lam:g}-seed{self.seed}-{digest}"


SETTINGS = {f.name: f for f in fields(Experiment)}

PAPER = {"width": 1.0, "rounds": 200, "batch_size": 128, "init": "fedpm"}

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"lam": 3.0, "init": "fedpm", "batch_size": 16, "rounds": 40},
    "paper-mnist": PAPER | {"dataset": "mnist", "model": "conv4"},
    "paper-cifar10": PAPER | {"dataset": "cifar10", "model": "conv6"},
    "paper-cifar100": PAPER | {"dataset": "cifar100", "model": "conv10", "rounds": 400},
}
"""`paper-…`: network, rounds, batch and frozen constant of FedPM's published code; θ = ½ first as in 2309.10834."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'lam'?"`, or nothing when no known name is near."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def allowed(name: str) -> str:
    """The allowed values of a setting, in words, for messages and tables."""
    meta = SETTINGS[name].metadata
    if meta["choices"]:
        return ", ".join(meta["choices"])
    low, high = meta["low"], meta["high"]
    if math.isinf(low):
        return "any text"
    return f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def help_of(name: str) -> str:
    """A setting's line of help, with the algorithms that read it if not all do."""
    meta = SETTINGS[name].metadata
    readers = "" if meta["algorithms"] == ALGORITHMS else f" (algorithm={', '.join(meta['algorithms'])})"
    return f"{meta['help']}{readers}"


def schema_table() -> str:
    """Every setting as a Markdown table: name, default, allowed values, help."""
    rows = ["| setting | default | allowed | what it is |", "|---|---|---|---|"]
    rows += [f"| `{n}` | `{f.default}` | {allowed(n)} | {help_of(n)} |" for n, f in SETTINGS.items()]
    return "\n".join(rows)


def _checked(name: str, value: Any) -> Any:
    """`value` in the setting's own type, or a `SettingError` that says what would be right."""
    f, meta = SETTINGS[name], SETTINGS[name].metadata
    wrong = f"{name}={value!r}"
    if f.type is str:
        if not isinstance(value, str) or not value.strip():
            raise SettingError(f"{wrong} is not a text; allowed: {allowed(name)}")
        if meta["choices"] and value not in meta["choices"]:
            raise SettingError(f"{wrong} is not one of {allowed(name)}{nearest(value, meta['choices'])}")
        return value
    kind = "a whole number" if f.type is int else "a finite number"
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (f.type is int and value != int(value)):
        raise SettingError(f"{wrong} is not {kind}; allowed: {allowed(name)}")
    if not meta["low"] <= value <= meta["high"]:
        raise SettingError(f"{wrong} is out of range; allowed: {allowed(name)}")
    return int(value) if f.type is int else float(value)
