"""profiles.yml is found, picked and rendered as dbt does it; every refusal says where it looked and what there is."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revetl.errors import ConfigError
from revetl.warehouse.dbt_project import read_dbt_project
from revetl.warehouse.profiles import Profile, load_profile
from revetl.warehouse.rendering import Renderer

PROFILES = """
config: {send_anonymous_usage_stats: false}
shop:
  target: "{{ env_var('SHOP_TARGET', 'dev') }}"
  outputs:
    dev: {type: duckdb, path: dev.duckdb, threads: 4}
    prod:
      type: duckdb
      path: "{{ env_var('SHOP_DIR') }}/prod.duckdb"
      schema: "{{ var('schema', 'main') }}"
      threads: "{{ env_var('SHOP_THREADS', '8') | as_number }}"
      password: "{{ env_var('DBT_ENV_SECRET_PASSWORD') }}"
    broken: {type: duckdb, path: "{{ env_var('NOBODY_SETS_THIS') }}"}
    odd: 7
other: {outputs: {default: {type: postgres, password: "a{{b"}}}
empty: {}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dbt project with its profiles.yml beside it; the working directory and home are elsewhere."""
    shop = tmp_path / "shop"
    shop.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (shop / "dbt_project.yml").write_text("name: shop\nprofile: \"{{ env_var('SHOP_PROFILE', 'shop') }}\"\n")
    (shop / "profiles.yml").write_text(PROFILES)
    return shop


@pytest.fixture
def load(project: Path, tmp_path: Path) -> Callable[..., Profile]:
    """Loads the project's profile, nothing of this process's environment in it."""

    def loading(env: dict[str, str] | None = None, **options: Any) -> Profile:
        env = {"HOME": str(tmp_path), **(env or {})}
        cli_vars = options.pop("cli_vars", {})
        asked = {"profiles_dir": None, "profile": None, "target": None, **options}
        return load_profile(project, env=env, cli_vars=cli_vars, **asked)

    return loading


PROD = {"SHOP_DIR": "/data", "DBT_ENV_SECRET_PASSWORD": "p{{w"}


def test_default_target(load: Callable[..., Profile]) -> None:
    """Nothing said: the project's profile, the profile's own target, and only that output rendered."""
    found = load()
    assert (found.name, found.target, found.type) == ("shop", "dev", "duckdb")
    assert found.fields == {"type": "duckdb", "path": "dev.duckdb", "threads": 4}


def test_rendering_an_output(load: Callable[..., Profile]) -> None:
    """Variables, their defaults, --vars and the filters give native values; a secret's own braces stay text."""
    assert dict(load(PROD, target="prod", cli_vars={"schema": "marts"}).fields) == {
        "type": "duckdb",
        "path": "/data/prod.duckdb",
        "schema": "marts",
        "threads": 8,
        "password": "p{{w",
    }


@pytest.mark.parametrize(
    ("env", "options", "wanted"),
    [
        ({"SHOP_TARGET": "prod"}, {}, ("shop", "prod")),
        ({"DBT_TARGET": "prod"}, {}, ("shop", "prod")),
        ({"DBT_TARGET": "broken"}, {"target": "dev"}, ("shop", "dev")),
        ({"SHOP_PROFILE": "other"}, {}, ("other", "default")),
        ({"DBT_PROFILE": "other"}, {}, ("other", "default")),
        ({"DBT_PROFILE": "empty"}, {"profile": "other"}, ("other", "default")),
    ],
)
def test_who_chooses(
    load: Callable[..., Profile], env: dict[str, str], options: dict[str, str], wanted: tuple[str, str]
) -> None:
    """A flag beats the environment, which beats the files."""
    found = load({**PROD, **env}, **options)
    assert (found.name, found.target) == wanted


def test_a_password_that_is_no_jinja(load: Callable[..., Profile]) -> None:
    """A password may hold braces that are no template; it is taken as it stands, and never shown."""
    found = load(profile="other")
    assert found.fields["password"] == "a{{b"
    assert "a{{b" not in repr(found)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"target": "porcelain"}, "RVT-403", ["porcelain", "broken, dev, odd, prod"]),
        ({"target": "prd"}, "RVT-403", ["did you mean prod"]),
        ({"profile": "shopp"}, "RVT-403", ["did you mean shop", "empty, other, shop"]),
        ({"profile": "empty"}, "RVT-402", ["empty.outputs"]),
        ({"target": "odd"}, "RVT-402", ["shop.outputs.odd"]),
        ({"target": "broken"}, "RVT-104", ["NOBODY_SETS_THIS", "export NOBODY_SETS_THIS=…"]),
        ({"profiles_dir": Path("/nowhere")}, "RVT-401", ["/nowhere"]),
    ],
)
def test_refusals(load: Callable[..., Profile], options: dict[str, Any], code: str, words: list[str]) -> None:
    """A wrong name lists the right ones; a missing variable is named."""
    with pytest.raises(ConfigError) as problem:
        load(**options)
    assert problem.value.code == code
    assert all(word in str(problem.value) for word in words), str(problem.value)


def test_where_profiles_are_looked_for(project: Path, load: Callable[..., Profile], tmp_path: Path) -> None:
    """A named directory alone; else the working directory, the project, ~/.dbt, the first that has one."""
    one = "shop: {outputs: {default: {type: duckdb, path: %s}}}"
    places = {"home": tmp_path / ".dbt", "project": project, "cwd": Path.cwd(), "env": tmp_path, "flag": tmp_path / "f"}
    for name, place in places.items():
        place.mkdir(exist_ok=True)
        (place / "profiles.yml").write_text(one % name)
        env = {"DBT_PROFILES_DIR": str(tmp_path)} if name in ("env", "flag") else {}
        options = {"profiles_dir": place} if name == "flag" else {}
        if name == "home":
            (project / "profiles.yml").unlink()
        assert load(env, **options).fields["path"] == name
    (places["flag"] / "profiles.yml").unlink()
    with pytest.raises(ConfigError) as problem:
        load(profiles_dir=places["flag"])
    assert problem.value.code == "RVT-401"


def test_nowhere(project: Path, load: Callable[..., Profile], tmp_path: Path) -> None:
    """No profiles.yml: every place that was looked in is named."""
    (project / "profiles.yml").unlink()
    with pytest.raises(ConfigError) as problem:
        load()
    assert problem.value.code == "RVT-401"
    assert all(str(place) in str(problem.value) for place in (Path.cwd(), project, tmp_path / ".dbt"))


BAD_FILES = {
    "not YAML": b"shop: [",
    "a tab": b"shop:\n\t- x",
    "a list": b"- shop",
    "a tag": b"shop: !!python/object/apply:os.system ['true']",
    "not UTF-8": b"shop: \xff",
    "too large": b"#" * 4_000_001,
    "too deep": b"[" * 20_000,
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files(project: Path, load: Callable[..., Profile], content: bytes) -> None:
    """A file that cannot be read is refused by name; nothing in it is run or shown."""
    (project / "profiles.yml").write_bytes(content)
    with pytest.raises(ConfigError) as problem:
        load()
    assert problem.value.code == "RVT-402"
    assert str(project / "profiles.yml") in str(problem.value)


def test_bombs(project: Path, load: Callable[..., Profile]) -> None:
    """Anchors may be used, but a few hundred bytes do not become millions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    lines.append("shop: {outputs: {default: {type: duckdb, path: *a8}}}")
    (project / "profiles.yml").write_text("\n".join(lines))
    with pytest.raises(ConfigError) as problem:
        load()
    assert problem.value.code == "RVT-402"


ENV = {"NAME": "o'hara", "PORT": "5432", "ON": "True", "LIST": "['a', 1]", "EMPTY": "", "DBT_ENV_SECRET_X": "hush"}
RENDERED: list[tuple[str, Any]] = [
    ("plain", "plain"),
    ("{{ env_var('NAME') }}", "o'hara"),
    ("{{ env_var('PORT') }}", "5432"),
    ("{{ env_var('PORT') | as_number }}", 5432),
    ("{{ '1.5' | as_number }}", 1.5),
    ("{{ env_var('PORT') | int + 1 }}", 5433),
    ("{{ env_var('ON') | as_bool }}", True),
    ("{{ env_var('LIST') | as_native }}", ["a", 1]),
    ("{{ env_var('NAME') | as_native }}", "o'hara"),
    ("{{ env_var('PORT') | as_text }}", "5432"),
    ("{{ 5 }}", "5"),
    ("{{ [5, true] }}", "[5, True]"),
    ("{{ env_var('NONE', 5) }}", 5),
    ("a{{ env_var('PORT') }}b", "a5432b"),
    ("1{{ env_var('PORT') }}", "15432"),
    ("{{ env_var('EMPTY') }}", ""),
    ("{{ env_var('NONE', 'x') }}", "x"),
    ("{% if env_var('ON') == 'True' %}yes{% endif %}", "yes"),
    ("{{ var('given') }}", [1]),
    ("{{ env_var('DBT_ENV_SECRET_X') }}!", "hush!"),
]


@pytest.mark.parametrize(("text", "wanted"), RENDERED)
def test_rendering(text: str, wanted: Any) -> None:
    """A value stays text unless a filter makes it a number, a boolean or a literal."""
    found = Renderer("f", ENV, {"given": [1]}, secrets=True).value(text)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ env_var('NONE') }}", "RVT-104"),
        ("{{ var('none') }}", "RVT-402"),
        ("{{ nothing }}", "RVT-402"),
        ("{{ ''.__class__.__mro__ }}", "RVT-402"),
        ("{{ env_var.__globals__ }}", "RVT-402"),
        ("{{ env_var }}", "RVT-402"),
        ("{{ 'x' | as_number }}", "RVT-402"),
        ("{{ '1' | as_bool }}", "RVT-402"),
        ("{{ 1 / 0 }}", "RVT-402"),
        ("{{ env_var( }}", "RVT-402"),
        ("{% include 'x' %}", "RVT-402"),
        ("{{ env_var('DBT_ENV_SECRET_X') }}", "RVT-402"),
    ],
)
def test_what_is_not_rendered(text: str, code: str) -> None:
    """What is unknown, unsafe or of the wrong type is refused, and the message holds no value."""
    with pytest.raises(ConfigError) as problem:
        Renderer("f", ENV).value(text)
    assert problem.value.code == code
    assert "hush" not in str(problem.value)


def test_dbt_project(project: Path) -> None:
    """Name, profile, target path and vars are read; the environment's target path wins; vars stay unrendered."""
    (project / "dbt_project.yml").write_text("name: shop\nprofile: p\ntarget-path: out\nvars: {a: '{{ x }}'}\n")
    found = read_dbt_project(project)
    assert (found.name, found.profile, found.target_path, dict(found.vars)) == ("shop", "p", "out", {"a": "{{ x }}"})
    assert read_dbt_project(project, env={"DBT_TARGET_PATH": "elsewhere"}).target_path == "elsewhere"


@pytest.mark.parametrize("content", [None, "profile: shop", "name: [", "name: ''"])
def test_bad_dbt_project(project: Path, content: str | None) -> None:
    """A missing, broken or nameless dbt_project.yml is refused by name."""
    (project / "dbt_project.yml").unlink()
    if content is not None:
        (project / "dbt_project.yml").write_text(content)
    with pytest.raises(ConfigError) as problem:
        read_dbt_project(project)
    assert problem.value.code == "RVT-400"


def test_agrees_with_dbt(project: Path, load: Callable[..., Profile], monkeypatch: pytest.MonkeyPatch) -> None:
    """dbt's own loader, where it is installed, sees the same path, schema and target."""
    runtime = pytest.importorskip("dbt.config.runtime", reason="dbt-core is not installed")
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context

    env = {"SHOP_DIR": "/data", "DBT_ENV_SECRET_PASSWORD": "pw", "SHOP_TARGET": "prod"}
    monkeypatch.setattr(os, "environ", {**os.environ, **env})
    set_from_args(Namespace(PROFILES_DIR=str(project), PROJECT_DIR=str(project), profiles_dir=str(project)), None)
    set_invocation_context(os.environ)
    (project / "profiles.yml").write_text(PROFILES.replace("      password: ", "      external_root: "))
    theirs = runtime.load_profile(str(project), {"schema": "marts"}, None, None)
    ours = load(env, cli_vars={"schema": "marts"})
    assert (ours.name, ours.target) == (theirs.profile_name, theirs.target_name)
    assert ours.fields["path"] == theirs.credentials.path
    assert ours.fields["schema"] == theirs.credentials.schema
    assert ours.fields["external_root"] == theirs.credentials.external_root
    assert ours.fields["threads"] == theirs.threads


@pytest.mark.parametrize(("text", "wanted"), [row for row in RENDERED if "SECRET" not in row[0]])
def test_rendering_agrees_with_dbt(text: str, wanted: Any) -> None:
    """dbt's own renderer, where it is installed, makes the same value of the same text."""
    jinja = pytest.importorskip("dbt.clients.jinja", reason="dbt-core is not installed")
    context = {"env_var": lambda name, default=None: ENV.get(name, default), "var": {"given": [1]}.get}
    assert jinja.get_rendered(text, context, native=True) == wanted
