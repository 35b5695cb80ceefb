"""What revetl.yml says of the network is resolved, or refused with its name; every command's wire stands on it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from revetl.config import load_config
from revetl.engine.debugging import _way
from revetl.engine.networking import network
from revetl.engine.workspace import Options, Workspace
from revetl.errors import ConfigError
from revetl.mapping.build import Resolved
from revetl.types import Project
from revetl.warehouse.dbt_project import DbtProject
from tests.shared import ROOT
from tests.unit.engine.harness import BUILT

PROXY = "{{ env_var('HTTPS_PROXY') }}"


def workspace(root: Path, text: str, **env: str) -> Workspace:
    """Return a project whose revetl.yml has this network."""
    config = load_config(f"version: 1\ndestinations: {{}}\nnetwork: {text}\n", path="revetl.yml")
    assert config.problems == ()
    project = Project("sim", "1.12.0", "duckdb", BUILT, "i", {}, {}, {})
    options = Options(project_dir=root, env=env)
    return Workspace(options, DbtProject("sim", None), "dev", project, replace(config), Resolved(()), {}, {})


def test_what_is_named_is_used(tmp_path: Path) -> None:
    """The proxy may come from a variable that is named; the authorities lie in the project."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    text = f'{{proxy: "{PROXY}", no_proxy: ["*.internal"], ca_file: ca.pem}}'
    found = network(workspace(tmp_path, text, HTTPS_PROXY="http://u:p@proxy.example.com:3128"))
    assert (found.proxy, found.no_proxy) == ("http://u:p@proxy.example.com:3128", ("*.internal",))
    assert found.ca_file == str(tmp_path / "ca.pem")
    assert "u:p" not in repr(found)
    assert network(workspace(tmp_path, "{}", HTTPS_PROXY="http://proxy.example.com:3128")).proxy is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f'{{proxy: "{PROXY}"}}', "RVT-104"),
        ("{proxy: 'socks5://proxy.example.com'}", "RVT-126"),
        ("{proxy: proxy.example.com}", "RVT-126"),
        ("{ca_file: nowhere.pem}", "RVT-126"),
        ("{ca_file: empty.pem}", "RVT-126"),
    ],
)
def test_what_cannot_be_used_is_refused(text: str, code: str, tmp_path: Path) -> None:
    """Nothing goes around a proxy that cannot be had, nor by fewer authorities than were named."""
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError) as caught:
        network(workspace(tmp_path, text))
    assert caught.value.code == code


def test_a_password_in_the_file_is_refused() -> None:
    """A proxy's login comes from the environment, as every secret does."""
    text = "version: 1\ndestinations: {}\nnetwork: {proxy: 'http://me:secret@proxy.example.com'}\n"
    (problem,) = load_config(text, path="revetl.yml").problems
    assert problem.code == "RVT-103"
    assert "secret" not in problem.message


def test_debug_says_which_way(tmp_path: Path) -> None:
    """What is used is told, and no login of it."""
    found = network(workspace(tmp_path, '{proxy: "' + PROXY + '", no_proxy: [a.b]}', HTTPS_PROXY="http://u:pw@p.x:1"))
    assert _way(found) == "through p.x; but for a.b"


def test_every_command_goes_that_way() -> None:
    """No command makes a wire of its own, but a rehearsal, which stays on this machine."""
    made = re.compile(r"\bThreadWire\(|\bhttpx\.(Client|get|post)|urlopen\(")
    files = [path for path in (ROOT / "revetl").rglob("*.py") if made.search(path.read_text(encoding="utf-8"))]
    own = {"engine/networking.py", "engine/rehearsing.py", "send/notices.py", "warehouse/sfaccess.py"}
    assert {str(path.relative_to(ROOT / "revetl")) for path in files} == own
