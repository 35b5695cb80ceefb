"""dbt's YAML files, read safely: no tags, a size cap, and no content of the file in any message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from revetl.errors import ConfigError
from revetl.types import JSON

MAX_BYTES = 4_000_000


def read_mapping(path: Path, code: str) -> Mapping[str, JSON]:
    """Return the mapping that stands in the YAML file at ``path``; an empty file is an empty mapping.

    Raises:
        ConfigError: ``code``; the file cannot be read, is too large, is not YAML or no mapping.
    """
    import yaml  # 14 ms, and not every command reads YAML

    try:
        if path.stat().st_size > MAX_BYTES:
            raise _unusable(code, path, f"is larger than {MAX_BYTES:,} bytes")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(code, path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(code, path, "is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise _unusable(code, path, f"is not YAML: {line}{error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise _unusable(code, path, "is not YAML that can be read") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _unusable(code, path, "does not hold names and values at its top level")
    return found


def _unusable(code: str, path: Path, why: str) -> ConfigError:
    return ConfigError(code, f"{path} {why}", hint="run `dbt debug` to see what dbt makes of it")
