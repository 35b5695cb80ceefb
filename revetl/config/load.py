"""revetl.yml → Config: every part is validated by itself, so that one bad sync never hides or stops the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from revetl.config.model import Config, Connection, DestinationConfig
from revetl.config.schema import Codes, Complaint, did_you_mean, validate
from revetl.config.secrets import strings, template_fault
from revetl.config.specs import DestinationSpec, RootSpec, SyncConfig, is_name, is_target
from revetl.config.yamltext import Lines, Path, read_yaml
from revetl.errors import ConfigError
from revetl.types import JSON, Problem

_CODES = Codes(value="RVT-103", key="RVT-120")
_DEFAULT = RootSpec(version=1, destinations={})


def load_config(text: str, *, path: str) -> Config:
    """Return revetl.yml, validated; what is wrong with it stands in ``Config.problems``, all of it.

    ``path`` is shown in messages. Nothing is resolved here: settings hold references, never secrets.

    Raises:
        ConfigError: RVT-102, the text cannot be read as YAML at all; RVT-103, it is not a mapping or of an unknown
            version, so that nothing else can be said about it.
    """
    data, lines = read_yaml(text, path=path)
    if not isinstance(data, Mapping):
        raise ConfigError("RVT-103", f"{path} is not a mapping", hint="start with `version: 1`, or run revetl init")
    if type(data.get("version")) is not int or data["version"] != 1:
        raise ConfigError("RVT-103", f"{path} has no version that is known", hint="write `version: 1` at its top")
    return _Loader(path, lines).config(data)


class _Loader:
    def __init__(self, path: str, lines: Lines) -> None:
        self.at = Config(path, lines=lines)
        self.problems: list[Problem] = []

    def say(self, path: Path, code: str, message: str, remedy: str, sync: str | None) -> None:
        self.problems.append(Problem(code, message, remedy, sync=sync, file=self.at.where(*path)))

    def complain(self, complaints: Iterable[Complaint], under: Path, sync: str | None) -> None:
        for found in complaints:
            self.say((*under, *found.path), found.code, found.message, found.remedy, sync)

    def config(self, data: Mapping[str, JSON]) -> Config:
        """Return the whole file."""
        root, complaints = validate(RootSpec, data, _CODES)
        self.complain(complaints, (), None)
        written = data.get("destinations")
        parts = written if isinstance(written, Mapping) else {}
        destinations = {name: self.destination(name, part) for name, part in parts.items()}
        self.templates(data)
        root = root or _DEFAULT
        self.groups(root.groups, destinations)
        return Config(
            path=self.at.path,
            destinations=destinations,
            groups=root.groups,
            require_tests=root.require_tests,
            timezone=root.timezone,
            state=root.state,
            ledger=root.ledger,
            send=root.send,
            network=root.network,
            warehouse=root.warehouse,
            policies=root.policies,
            incremental=root.incremental,
            notify=root.notify,
            telemetry=root.telemetry,
            freshness=root.freshness,
            memory_limit=root.memory_limit,
            problems=tuple(self.problems),
            lines=self.at.lines,
        )

    def destination(self, name: str, data: JSON) -> DestinationConfig:
        """Return one destination; where it is broken as a whole, one without targets."""
        under: Path = ("destinations", name)
        if not is_name(name):
            self.say(under, "RVT-122", f"'{name[:60]}' cannot name a destination", _NAMING, name)
        spec, complaints = validate(DestinationSpec, data, _CODES)
        self.complain(complaints, under, name)
        if spec is None:
            return DestinationConfig(name, name, {}, {})
        targets = {key: self.target(name, key, value) for key, value in spec.targets.items()}
        syncs = None if spec.syncs is None else self.syncs(name, spec.syncs)
        return DestinationConfig(name, spec.type or name, targets, syncs)

    def target(self, destination: str, name: str, data: JSON) -> Connection:
        """Return what a destination says of one target."""
        under: Path = ("destinations", destination, "targets", name)
        if not is_target(name):
            remedy = "use letters, digits, _ and -, as the target is named in profiles.yml"
            self.say(under, "RVT-122", f"'{name[:60]}' cannot name a target", remedy, destination)
        if data == "sandbox":
            return Connection(sandbox=True)
        if not isinstance(data, Mapping):
            remedy = "write the settings as {name: value}, or the word sandbox"
            self.say(under, "RVT-103", f"target '{name}' of {destination} has no settings", remedy, destination)
            return Connection()
        settings = {key: value for key, value in data.items() if key != "sandbox"}
        return Connection(settings, sandbox=data.get("sandbox") is True)

    def syncs(self, destination: str, data: Mapping[str, JSON]) -> dict[str, SyncConfig]:
        """Return the syncs that are valid."""
        found: dict[str, SyncConfig] = {}
        for name, part in data.items():
            under: Path = ("destinations", destination, "syncs", name)
            sync = f"{destination}.{name}"
            if not is_name(name):
                self.say(under, "RVT-122", f"'{name[:60]}' cannot name a sync", _NAMING, sync)
            valid, complaints = validate(SyncConfig, part, _CODES)
            self.complain(complaints, under, sync)
            if valid is not None:
                found[name] = valid
        return found

    def groups(self, groups: Mapping[str, tuple[str, ...]], destinations: Mapping[str, DestinationConfig]) -> None:
        """Say which groups name what is not there, or share a name with a destination."""
        for name, members in groups.items():
            under: Path = ("groups", name)
            if name in destinations or not is_name(name):
                self.say(under, "RVT-122", f"'{name[:60]}' cannot name a group", "choose a name that is free", None)
            for member in members:
                if member not in destinations:
                    remedy = did_you_mean(member, destinations)
                    self.say(under, "RVT-123", f"group '{name}' names '{member[:60]}', no destination", remedy, None)

    def templates(self, data: Mapping[str, JSON]) -> None:
        """Say where braces hold anything but env_var, or stand where nothing is rendered."""
        for path, text in strings(data):
            rendered = path[2:3] == ("targets",) or path[:1] == ("warehouse",) or path[:2] in _RENDERED
            fault = template_fault(text) if rendered else next((m for m in ("{{", "{%", "{#") if m in text), None)
            if fault is not None:
                what = f"'{'.'.join(map(str, path))}' has something in braces that is not env_var"
                self.say(
                    path,
                    "RVT-105",
                    what if rendered else what.replace("that is not env_var", "here"),
                    _BRACES,
                    _owner(path),
                )


_RENDERED = frozenset(
    {
        ("ledger",), ("ledger", "key"), ("ledger", "old_keys"), ("ledger", "url"), ("state",), ("state", "url"),
        ("notify", "channels"), ("network", "proxy"), ("network", "ca_file"),
    }
)  # fmt: skip
_NAMING = "start with a letter; use letters, digits, _ and -, at most 63"
_BRACES = "write \"{{ env_var('NAME') }}\", and only in the settings of a target; nothing else is evaluated"


def _owner(path: Path) -> str | None:
    """Return the sync or destination that a path belongs to."""
    if path[:1] != ("destinations",) or len(path) < 2:
        return None
    return f"{path[1]}.{path[3]}" if path[2:3] == ("syncs",) and len(path) > 3 else str(path[1])
