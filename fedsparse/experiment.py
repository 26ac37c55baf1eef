"""`Experiment`: every setting of a federation, once: type, default, allowed values, one line of help.

All else reads this one schema. Settings are checked when an `Experiment` is made: one that exists can be run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import replace as dataclass_replace
from typing import Any

from fedsparse.errors import SettingError
from fedsparse.own.names import is_own
from fedsparse.setting import allowed, checked, help_of, nearest, setting

MASKS = ("fedpm", "top_mask", "fed_mask")
WEIGHTS = ("fedavg", "sign_sgd", "qsgd", "eden", "zeroth_order")
ALGORITHMS = ("fedpm", "fedavg", "sign_sgd", "top_mask", "fed_mask", "qsgd", "eden", "zeroth_order")
GRADIENT = {"algorithm": ALGORITHMS[:-1]}
FEDPM = {"algorithm": ("fedpm",)}
MODELS = ("conv2", "conv4", "conv6", "conv10", "lenet", "mlp")
TORCHVISION_DATASETS = ("mnist", "fashionmnist", "kmnist", "emnist", "cifar10", "cifar100")


@dataclass(frozen=True)
class Experiment:
    """One federation, described completely: the same `Experiment` on the same machine gives the same bytes.

    Raises:
        SettingError: a value of the wrong type, or out of range; the message names both.
    """

    # fmt: off
    dataset: str = setting(
        "digits", "digits (embedded), a torchvision set, or NAME for a NAME.npz of your own", is_name=True)
    data_root: str = setting("data", "folder in which data sets are found, or downloaded to")
    train_size: int = setting(0, "training images to keep, drawn by seed; 0 keeps all", low=0)
    validation: float = setting(
        0.0, "share of these that is held out by seed and never trained on: what settings are chosen on", low=0,
        high=0.9)
    model: str = setting("conv2", "network", choices=MODELS, own=True)
    width: float = setting(0.5, "multiplier on every hidden width", low=0.01, high=8, only={"model": MODELS})
    clients: int = setting(10, "clients in the population", low=1, high=100_000)
    cohort: int = setting(0, "clients that take part in a round, drawn by (seed, round); 0 means all", low=0)
    dropout: float = setting(
        0.0, "probability that a client of the round receives θ and never answers, by (seed, round, client)", low=0,
        high=1)
    partition: str = setting(
        "iid",
        "how training images are dealt: iid, so many classes to a client, a Dirichlet draw per class, or sorted shards",
        choices=("iid", "classes", "dirichlet", "shards"), own=True)
    classes_per_client: int = setting(
        2, "classes of a client, exactly (partition=classes), or its shards (partition=shards)", low=1, high=100_000,
        only={"partition": ("classes", "shards")})
    alpha: float = setting(
        0.5, "concentration α (partition=dirichlet): 0.01 is a class to one client, 100 near iid", low=0.01, high=100,
        only={"partition": ("dirichlet",)})
    size_skew: float = setting(
        0.0, "σ of log-normal client sizes (partition=iid, classes); 0 is equal sizes", low=0, high=5,
        only={"partition": ("iid", "classes")})
    rounds: int = setting(30, "rounds in total; asking for more goes on from those that are there", low=1, high=100_000)
    local_epochs: int = setting(3, "passes over its own data that a client makes each round", low=1, high=1000)
    batch_size: int = setting(32, "images per local step", low=1, high=100_000)
    optimizer: str = setting("adam", "local optimizer", choices=("adam", "sgd"), only=GRADIENT)
    lr: float = setting(0.1, "learning rate of the scores", low=1e-9, high=1000, only={"algorithm": MASKS})
    optimizer_state: str = setting(
        "fresh", "a client's optimizer moments: fresh each round, or kept at the client", choices=("fresh", "kept"),
        only=GRADIENT | {"optimizer": ("adam",)})
    algorithm: str = setting("fedpm", "the method: what is sent, and how it is aggregated", choices=ALGORITHMS,
        own=True)
    density: float = setting(
        0.5, "share of weights that a client's mask keeps in each layer", low=0, high=1,
        only={"algorithm": ("top_mask",)})
    weight_lr: float = setting(0.001, "learning rate of weights", low=1e-9, high=1000, only={"algorithm": WEIGHTS})
    server_lr: float = setting(
        0.002, "how far a majority vote moves a weight", low=1e-9, high=1000, only={"algorithm": ("sign_sgd",)})
    bits: int = setting(
        1, "bits per weight of an update, once it is coded", low=1, high=2, only={"algorithm": ("qsgd", "eden")})
    perturbations: int = setting(
        10, "directions that a local step measures", low=1, high=10_000, only={"algorithm": ("zeroth_order",)})
    down_bits: int = setting(
        0, "bits per weight that the server's steps from round to round are quantized to, with error feedback; 0 sends "
        "the weights, float32", low=0, high=8, only={"algorithm": ("fedavg", "qsgd", "eden")})
    lam: float = setting(
        0.0, "weight λ of the regularizer in the local loss; 0 is plain FedPM", low=0, high=1e6, only=FEDPM)
    lam_schedule: str = setting(
        "constant", "λ as it is; or times what has been learned, told by the mean loss of the last round, or by "
        "each client's own loss", choices=("constant", "server_loss", "client_loss"), only=FEDPM, only_if_lam=True)
    target_bpp: float = setting(
        0.0, "measured uplink, in bpp, that λ follows from lam on, by dual ascent; 0 leaves λ to lam", low=0, high=1,
        only=FEDPM)
    regularizer: str = setting(
        "sparsity", "mean of σ(s), entropy of σ(s), or KL(σ(s) ‖ θ)", choices=("sparsity", "entropy", "kl"),
        own=True, only=FEDPM, only_if_lam=True)
    estimator: str = setting(
        "identity", "gradient through the sampled mask: straight-through, or times θ as in the published FedPM code",
        choices=("identity", "scaled"), only=FEDPM)
    init: str = setting(
        "kaiming", "frozen weights: ±c with c = √2/√fan_in, or FedPM's e/√fan_in; or the module's own",
        choices=("kaiming", "fedpm", "own"))
    weights: str = setting(
        "", "file of the frozen weights, as torch.save(module.state_dict(), file) writes it", only={"init": ("own",)})
    scores: str = setting(
        "half", "first θ: ½ everywhere, or σ of a standard normal", choices=("half", "normal"), only=FEDPM)
    aggregation: str = setting(
        "mean", "of masks or updates: mean, mean weighted by samples, or (masks) the mode of a Beta posterior",
        choices=("mean", "weighted", "beta"))
    prior_reset: int = setting(
        1, "rounds between resets of the Beta prior (aggregation=beta)", low=1, high=100_000,
        only={"algorithm": MASKS, "aggregation": ("beta",)})
    clip: float = setting(
        0.01, "θ is kept in [clip, 1 − clip]; at 0 a weight on which all clients agree never changes again", low=0,
        high=0.49, only={"algorithm": MASKS})
    codec: str = setting(
        "context", "bytes on the wire: coded (weights: deflated by zstd), plain packed bits (weights: float32), or by "
        "shared randomness (fedpm)", choices=("context", "packed", "shared"))
    engine: str = setting(
        "fast", "how clients are trained: in parallel, as fast as the device allows, or plainly, one after the other",
        choices=("fast", "plain"))
    seed: int = setting(0, "every random draw follows from it", low=0, high=2**63 - 1)
    device: str = setting(
        "auto", "where to compute; auto takes a GPU if there is one", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = setting(
        "float32",
        "of the network's arithmetic; scores stay float32; auto is bfloat16 where the device computes it natively",
        choices=("float32", "bfloat16", "auto"))
    evaluate_every: int = setting(
        1, "rounds between evaluations; the last round is always evaluated", low=1, high=100_000)
    out: str = setting("runs", "folder of run folders")
    # fmt: on

    def __new__(cls, *_: Any, **settings: Any) -> "Experiment":
        for name in settings:
            if name not in SETTINGS:
                known = nearest(name, SETTINGS) or f"; the settings are {', '.join(SETTINGS)}"
                raise SettingError(f"no setting {name!r}{known}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, checked(f, getattr(self, f.name)))
        for why in without_effect(self.settings).values():
            raise SettingError(why)
        if self.cohort > self.clients:
            raise SettingError(f"cohort={self.cohort} is more than there are clients ({self.clients})")
        if self.init == "own" and not (self.weights or is_own(self.model)):
            raise SettingError(f"init=own with model={self.model}: its weights come from a file, weights=FILE")
        if self.init == "own" and self.algorithm in WEIGHTS:
            raise SettingError(f"init=own freezes weights, and algorithm={self.algorithm} trains them from random ones")
        if self.target_bpp and self.codec == "packed":
            raise SettingError("target_bpp needs codec=context or shared: packed masks take 1 bpp whatever λ is")
        if 0 < self.clip < 1e-6:
            raise SettingError(
                f"clip={self.clip:g}: 1 − clip has to stay below 1 in float32: take 0, or at least 1e-06"
            )
        if self.algorithm in ("top_mask", "fed_mask") and not self.clip:
            raise SettingError(f"clip=0 with algorithm={self.algorithm}: a mask may keep a weight that θ = 0 excludes")
        if self.codec == "shared" and (self.algorithm != "fedpm" or not self.clip):
            raise SettingError("codec=shared is for masks sampled from θ: it needs algorithm=fedpm and clip > 0")
        if (self.lam or self.target_bpp) and not self.clip and self.regularizer != "sparsity":
            raise SettingError(f"regularizer={self.regularizer} needs clip > 0: without it scores become infinite")
        if self.aggregation == "beta" and self.algorithm in WEIGHTS:
            raise SettingError(f"aggregation=beta is for masks: algorithm={self.algorithm} takes mean or weighted")
        if self.precision != "float32" and self.algorithm == "zeroth_order":
            raise SettingError(f"precision={self.precision}: differences of losses (zeroth_order) need float32")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None = None, *, preset: str | None = None) -> "Experiment":
        """An `Experiment` from a preset (or the defaults) and a mapping of settings on top.

        What the preset sets and the other settings make void, as its λ beside another algorithm, has its default.

        Raises:
            SettingError: an unknown name (the nearest known one is offered), a wrong type, a value out of range.
        """
        if preset is not None and preset not in PRESETS:
            raise SettingError(f"no preset {preset!r}{nearest(preset, PRESETS)}; there are {', '.join(PRESETS)}")
        given, named = dict(settings or {}), PRESETS[preset] if preset else {}
        void = without_effect({name: f.default for name, f in SETTINGS.items()} | named | given) if preset else {}
        return cls(**{name: value for name, value in named.items() if name not in void} | given)

    def replace(self, **changes: Any) -> "Experiment":
        """A copy with some settings changed, checked like a new one."""
        return dataclass_replace(self, **changes)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by name."""
        return {name: getattr(self, name) for name in SETTINGS}

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that make a run what it is: all but its length, and the places of data and folder."""
        return {name: value for name, value in self.settings.items() if name not in ("rounds", "out", "data_root")}

    @property
    def key(self) -> str:
        """Name of the run folder: a readable slug, and a hash of the settings that differ from their defaults.

        Defaults are left out, so that a new setting does not rename old runs.
        """
        changed = {name: value for name, value in self.identity.items() if value != SETTINGS[name].default}
        return f"{self._slug}-{_digest(changed)}{_digest(changed, b'longer')}"

    @property
    def earlier_key(self) -> str:
        """The key by earlier versions: half as long, and with the place of the data in its hash."""
        named = self.identity | {"data_root": self.data_root}
        return f"{self._slug}-{_digest({name: v for name, v in named.items() if v != SETTINGS[name].default})}"

    @property
    def _slug(self) -> str:
        model, algorithm = (name.replace(":", ".") for name in (self.model, self.algorithm))
        return f"{self.dataset}-{model}-{algorithm}-lam{self.lam:g}-seed{self.seed}"


SETTINGS = {f.name: f for f in fields(Experiment)}

PAPER = {"width": 1.0, "rounds": 200, "batch_size": 128, "init": "fedpm"}

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {"lam": 10.0, "lam_schedule": "server_loss", "init": "fedpm", "batch_size": 16, "rounds": 40},
    "paper-mnist": PAPER | {"dataset": "mnist", "model": "conv4"},
    "paper-cifar10": PAPER | {"dataset": "cifar10", "model": "conv6"},
    "paper-cifar100": PAPER | {"dataset": "cifar100", "model": "conv10", "rounds": 400},
    "paper-emnist": PAPER | {"dataset": "emnist", "model": "conv4"},
}
"""`paper-…`: network, rounds, batch and frozen constant of FedPM's published code; θ = ½ first as in 2309.10834."""


def without_effect(settings: Mapping[str, Any]) -> dict[str, str]:
    """Those of all settings that differ from their default and are not read beside the others; and why, by name."""
    found = {}
    for name, f in SETTINGS.items():
        if settings[name] == f.default:
            continue
        said = f"{name}={settings[name]} would have no effect"
        for other, values in f.metadata["only"].items():
            own = other in ("algorithm", "partition") and is_own(settings[other])  # may read any setting
            if settings[other] not in values and not own:
                found[name] = f"{said}: it belongs to {other}={' or '.join(values)}, not to {settings[other]}"
        if f.metadata["only_if_lam"] and not settings["lam"] and not settings["target_bpp"]:
            found.setdefault(name, f"{said}: λ is 0 in every round; it needs lam or target_bpp above 0")
    return found


def schema_table() -> str:
    """Every setting as a Markdown table: name, default, allowed values, help."""
    rows = ["| setting | default | allowed | what it is |", "|---|---|---|---|"]
    rows += [f"| `{n}` | `{f.default}` | {allowed(f)} | {help_of(f)} |" for n, f in SETTINGS.items()]
    return "\n".join(rows)


def _digest(changed: Mapping[str, Any], person: bytes = b"") -> str:
    return hashlib.blake2b(json.dumps(changed, sort_keys=True).encode(), digest_size=4, person=person).hexdigest()
