"""The registry: names at once, modules when asked for, mistakes by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from revetl.contract import Destination
from revetl.destinations import Registry, registry
from revetl.errors import DestinationError


@pytest.mark.parametrize("name", list(registry()))
def test_each_destination_loads_under_its_own_name(name: str) -> None:
    """What ``type:`` names is what messages call it."""
    found = registry()[name]
    assert isinstance(found, Destination)
    assert found.name == name


def test_asking_for_names_loads_nothing() -> None:
    """The package is cheap: neither pydantic nor a destination is imported before one is asked for."""
    code = (
        "import sys; from revetl.destinations import registry; assert 'hubspot' in registry() and len(registry()) >= 4;"
        "assert not {'pydantic', 'orjson', 'revetl.contract', 'revetl.destinations.hubspot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_a_key_error() -> None:
    """A registry is a mapping."""
    assert registry().get("nobody") is None
    assert "nobody" not in registry()


@pytest.mark.parametrize("source", ["nowhere.at_all:THING", "revetl.types:NOTHING", "revetl.types:EMPTY"])
def test_a_broken_plugin_is_named(source: str) -> None:
    """The message says which destination, where it should stand, and why it cannot be loaded."""
    with pytest.raises(DestinationError) as refused:
        Registry({"mine": source})["mine"]
    assert refused.value.code == "RVT-650"
    assert source in str(refused.value)
