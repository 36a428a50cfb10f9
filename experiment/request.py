"""What was asked for: one component on every axis, and how to train them. Needs no torch."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from errors import RequestError, choose_from
from experiment import choices
from experiment.checks import check_finite, check_options, checked_train
from experiment.choices import AXES, Option
from inference.plan import Train

# These options say where or how to run, not what: they do not make another run.
WHERE_NOT_WHAT = {
    "run_dir",
    "device",
    "trained_in",
    "data.root",
    "data.download",
    "data.cache",
    "train.compile",
    "train.checkpoint_seconds",
    "train.resume",
    "train.tensorboard",
}
# Options that came later. At these values a run is called what it was called before they came.
CAME_LATER = {
    "data.split_by": "permutation",
    "data.standardise": True,
    "data.index": None,
    "data.label_column": None,
    "data.skip_broken": False,
    "extend": None,
    "init_from": None,
    "train.average": None,
    "data.validation": None,
}
# These options of `data` name files and folders.
PLACES = ("root", "path", "labels", "cache")

Plain = Mapping[str, Any]  # a request as config.yaml holds it


@dataclass(frozen=True)
class Choice:
    """A component by the name of its choice, with its options.

    `target` is the dotted path of a component that is foreign code, and None for all others.
    """

    name: str
    options: Mapping[str, Option]
    target: str | None = None

    def having(self, **options: Option) -> "Choice":
        """Returns the same choice with other values of some options."""
        return replace(self, options={**self.options, **options})


@dataclass(frozen=True)
class Request:
    """A checked request, with one choice on every axis.

    `extend` names a finished run that this one goes on from, and `init_from` one whose weights it
    starts with. `trained_in` is the folder that relative paths among the options of `data` start
    from. An empty `run_dir` stands for the default one, which is derived from what makes the run
    what it is.

    Raises:
        RequestError: an option does not exist, or has a value that is not accepted.
    """

    data: Choice
    model: Choice
    prior: Choice
    likelihood: Choice
    guide: Choice
    network: Choice
    objective: Choice
    train: Train
    seed: int = 0
    device: str = "auto"
    latent_dim: int = 2
    run_dir: str = ""
    extend: str | None = None
    init_from: str | None = None
    trained_in: str = "."

    def __post_init__(self) -> None:
        check_options(self.seed, self.device, self.latent_dim, self.data.options)
        for axis in AXES:
            check_finite(axis, self.choice(axis).options)
        if self.run_dir.startswith("~/"):  # which no shell replaces after "run_dir="
            object.__setattr__(self, "run_dir", str(Path(self.run_dir).expanduser()))
        if self.extend is not None and self.init_from is not None:
            raise RequestError("extend and init_from: a run starts from one of them; say one")
        if not self.run_dir:
            object.__setattr__(self, "run_dir", self._default_run_dir())

    def choice(self, axis: str) -> Choice:
        """Returns the choice on `axis`."""
        found: Choice = vars(self)[axis]
        return found

    @property
    def names(self) -> dict[str, str]:
        """The name of the choice on every axis."""
        return {axis: self.choice(axis).name for axis in AXES}

    def plain(self) -> dict[str, Any]:
        """Returns the request as plain values, as config.yaml holds it."""
        return {
            "choices": self.names,
            **{axis: _node(self.choice(axis)) for axis in AXES},
            "seed": self.seed,
            "device": self.device,
            "latent_dim": self.latent_dim,
            "run_dir": self.run_dir,
            "extend": self.extend,
            "init_from": self.init_from,
            "train": asdict(self.train),
            "trained_in": self.trained_in,
        }

    @property
    def identity(self) -> dict[str, Option]:
        """What makes the run what it is, by dotted names."""
        return identity(self.plain())

    @property
    def digest(self) -> str:
        """A hash of what makes the run what it is."""
        return digest(self.identity)

    def _default_run_dir(self) -> str:
        """Returns a name that reads, with a hash of everything that makes the run what it is."""
        names = self.names
        parts = [names[axis] for axis in AXES if axis != "data"]
        name = f"{'-'.join(parts)}-z{self.latent_dim}-seed{self.seed}-{self.digest[:8]}"
        return f"runs/{names['data']}/{name}"

    @staticmethod
    def read(plain: Plain) -> "Request":
        """Returns the request that `plain` values stand for; options left out have their defaults.

        Raises:
            RequestError: a choice or an option does not exist, or a value is not accepted.
        """
        known = {field.name for field in fields(Request)} | {"choices"}
        for name in set(plain) - known:
            raise RequestError(f"{name}: no such option; there are {', '.join(sorted(known))}")
        names = plain.get("choices")
        chosen: dict[str, Any] = {a: _read_choice(a, names, plain.get(a)) for a in AXES}
        others = known - {*AXES, "choices", "train"}
        rest = {name: plain[name] for name in others if name in plain}
        rest["run_dir"] = rest.get("run_dir") or ""
        for name in ("run_dir", "trained_in"):
            if not isinstance(rest.get(name, ""), str):
                raise RequestError(f"{name}={rest[name]}: must be the name of a folder")
        for name in ("extend", "init_from"):
            if not isinstance(rest.get(name), str | None):
                raise RequestError(f"{name}={rest[name]}: must be a run directory")
        return Request(**chosen, train=checked_train(plain.get("train", {})), **rest)


def identity(plain: Plain) -> dict[str, Option]:
    """Returns what makes the run of the request `plain` what it is, by dotted names."""

    def flatten(node: Plain, prefix: str) -> Iterator[tuple[str, Option]]:
        for key, value in node.items():
            name = f"{prefix}{key}"
            if isinstance(value, Mapping):
                yield from flatten(value, f"{name}.")
            elif name not in WHERE_NOT_WHAT and (name, value) not in CAME_LATER.items():
                yield name, value

    return dict(flatten(plain, ""))


def digest(what: Mapping[str, Option]) -> str:
    """Returns a hash of an identity."""
    return hashlib.sha256(repr(sorted(what.items())).encode()).hexdigest()


def _node(choice: Choice) -> dict[str, Option]:
    foreign = {} if choice.target is None else {"_target_": choice.target}
    return {**foreign, **choice.options}


def _read_choice(axis: str, names: object, node: object) -> Choice:
    name = names.get(axis) if isinstance(names, Mapping) else None
    if not isinstance(name, str) or not isinstance(node, Mapping):
        raise RequestError(f"{axis}: not a choice with its options")
    options = {str(key): value for key, value in node.items() if key != "_target_"}
    for option, value in options.items():
        if not isinstance(value, Option):
            raise RequestError(f"{axis}.{option}: must be a number, a word, true, false or null")
    if "_target_" in node:
        return named(axis, name, str(node["_target_"]), options)
    if name not in choices.names(axis):
        raise no_such_choice(axis, name)
    return Choice(name, {**choices.defaults(axis, name), **options})


def named(axis: str, name: str, target: str, options: Mapping[str, Option]) -> Choice:
    """Returns the choice whose code lies at `target`, by its own name if it is this project's.

    Raises:
        RequestError: `target` lies in this project, and is no choice of `axis`.
    """
    own = choices.name_of(axis, target)
    if own is not None:
        return Choice(name if _is(axis, name, target) else own, options)
    if choices.is_own(target):
        raise RequestError(
            f"{axis}: {target!r} is no choice of {axis}; "
            f"choose from {', '.join(choices.names(axis))}"
        )
    return Choice(name, options, target)


def _is(axis: str, name: str, target: str) -> bool:
    return name in choices.names(axis) and choices.target(axis, name) == target


def no_such_choice(axis: str, name: str) -> RequestError:
    """Returns the refusal of a choice that does not exist."""
    known = choose_from(name, choices.names(axis))
    return RequestError(f"{axis}={name}: no such choice; {known}")


def lighter_kl(objective: str, options: Mapping[str, Option]) -> str:
    """Returns what gives the KL term less weight early in training; empty if that is seen to.

    >>> lighter_kl("beta", {"weight": 1.0, "warmup_epochs": 0, "cycles": None})
    'a KL that is warmed up (objective.warmup_epochs=20)'
    """
    if objective in ("elbo", "analytic_kl", "stl"):
        return "a KL that is warmed up (objective=beta objective.warmup_epochs=20)"
    if objective != "beta":
        return ""
    if float(options["weight"] or 0) > 1:
        return "a smaller β (objective.weight)"
    warmed = options["warmup_epochs"] or options["cycles"]
    return "" if warmed else "a KL that is warmed up (objective.warmup_epochs=20)"
