"""Profiles as dbt's own loader reads them, and dbt-snowflake's idea of a login, are what ours come to."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import rsa

from revetl.warehouse.profiles import load_profile
from revetl.warehouse.sfaccess import parameters
from tests.e2e import house
from tests.warehouse import snowflake_server

pytestmark = [pytest.mark.dbt, pytest.mark.timeout(300)]
ENV = {"SHOP_PASSWORD": "it's: {secret}", "SHOP_PORT": "5433", "DBT_ENV_SECRET_TOKEN": "t-1"}
POSTGRES = """
shop:
  target: "{{ env_var('SHOP_TARGET', 'prod') }}"
  outputs:
    dev: {type: postgres, host: "{{ env_var('NOBODY_SETS_THIS') }}"}
    prod:
      type: postgres
      host: db.example.org
      port: "{{ env_var('SHOP_PORT') | as_number }}"
      user: "{{ var('user', 'dbt') }}"
      pass: "{{ env_var('SHOP_PASSWORD') }}"
      database: shop
      schema: "{{ 'mar' ~ 'ts' }}"
      threads: 4
      keepalives_idle: 30
      connect_timeout: 7
      role: reporter
      sslmode: verify-full
"""
SNOWFLAKE = """
shop:
  target: password
  outputs:
    password: {COMMON, password: "{{ env_var('SHOP_PASSWORD') }}"}
    key: {COMMON, private_key: "{{ env_var('SHOP_KEY') }}", private_key_passphrase: "{{ env_var('SHOP_PASSPHRASE') }}"}
    der: {COMMON, private_key: "{{ env_var('SHOP_DER') }}"}
    oauth: {COMMON, authenticator: oauth, token: "{{ env_var('DBT_ENV_SECRET_TOKEN') }}"}
    jwt: {COMMON, authenticator: programmatic_access_token, token: "{{ env_var('DBT_ENV_SECRET_TOKEN') }}"}
""".replace("COMMON", "type: snowflake, account: ab12345.eu-west-1, user: dbt, role: REPORTER, database: SHOP, "
            "warehouse: WH, schema: marts, host: sf.example.org, port: 444, protocol: https")  # fmt: skip
# runs where dbt-snowflake is installed, and prints what dbt would call the connector with
THEIRS = """
import json, os, sys
from argparse import Namespace
from dbt.flags import set_from_args
set_from_args(Namespace(PROFILES_DIR=sys.argv[1], PROJECT_DIR=sys.argv[1], profiles_dir=sys.argv[1]), None)
from dbt_common.context import set_invocation_context
set_invocation_context(os.environ)
from dbt.config.runtime import load_profile
found = load_profile(sys.argv[1], {}, None, sys.argv[2]).credentials
names = ("account", "database", "schema", "warehouse", "role", "host", "port", "protocol")
given = {name: getattr(found, name) for name in names} | found.auth_args()
print("GIVEN" + json.dumps({n: v.hex() if isinstance(v, bytes) else v for n, v in given.items()}, default=str))
"""


def project(root: Path, profiles: str) -> Path:
    """Write a project with these profiles."""
    (root / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (root / "profiles.yml").write_text(profiles)
    return root


def test_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every field of a Postgres output, rendered by dbt-postgres's loader and by ours."""
    flags, context = pytest.importorskip("dbt.flags"), pytest.importorskip("dbt_common.context")
    runtime = pytest.importorskip("dbt.config.runtime")
    root = project(tmp_path, POSTGRES)
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    flags.set_from_args(Namespace(PROFILES_DIR=str(root), PROJECT_DIR=str(root), profiles_dir=str(root)), None)
    context.set_invocation_context(os.environ)
    theirs = runtime.load_profile(str(root), {"user": "ann"}, None, None)
    ours = load_profile(root, root, None, None, ENV, {"user": "ann"})
    assert (ours.target, ours.type) == (theirs.target_name, theirs.credentials.type) == ("prod", "postgres")
    names = {"pass": "password", "threads": None}
    for name, value in ours.fields.items():
        theirs_name = names.get(name, name)
        if theirs_name and name != "type":
            assert getattr(theirs.credentials, theirs_name) == value, name


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """Return a key as PEM with a passphrase, the same as base64 of its DER, and its plain DER in hex."""
    key = rsa.generate_private_key(65537, 2048)
    locked = forms.BestAvailableEncryption(b"open sesame")
    pem = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, locked).decode()
    der = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    spelt = base64.b64encode(der).decode()
    return {"SHOP_KEY": pem, "SHOP_PASSPHRASE": "open sesame", "SHOP_DER": spelt, "hex": der.hex()}


@pytest.mark.xdist_group("snowflake")
@pytest.mark.parametrize("target", ["password", "key", "der", "oauth", "jwt"])
def test_snowflake(target: str, tmp_path: Path, keys: dict[str, str]) -> None:
    """What our connection is made with, dbt-snowflake makes its own with: account, place and login."""
    root, python = project(tmp_path, SNOWFLAKE), snowflake_server.environment()
    env = {**ENV, **{name: text for name, text in keys.items() if name != "hex"}}
    outside = {k: v for k, v in house.environment(**env).items() if k != "PYTHONPATH"}
    done = subprocess.run([str(python), "-c", THEIRS, str(root), target], env=outside, capture_output=True, text=True,
                          check=False, cwd=root)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    theirs: dict[str, Any] = json.loads(done.stdout.rpartition("GIVEN")[2])
    ours = parameters(load_profile(root, root, None, target, env, {}))
    told = {name: value.hex() if isinstance(value, bytes) else value for name, value in ours.items()}
    place = ("account", "user", "database", "schema", "warehouse", "role", "host", "port", "protocol")
    assert {name: told.get(name) for name in place} == {name: theirs.get(name) for name in place}
    for name in ("password", "token", "private_key"):
        assert told.get(name) == theirs.get(name), name
    assert (told.get("private_key") == keys["hex"]) is (target in {"key", "der"})
    if theirs.get("authenticator"):
        assert str(told.get("authenticator")).lower() == theirs["authenticator"].lower()
