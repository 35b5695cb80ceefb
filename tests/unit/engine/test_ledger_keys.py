"""The ledger's keys: pinned, rotated, dropped; and values that are encrypted under them."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from revetl.config import load_config
from revetl.engine.keyring import Keyring, keyring
from revetl.engine.pruning import prune
from revetl.engine.records import records
from revetl.engine.rotating import rotate
from revetl.engine.sealing import hidden, opened, sealer
from revetl.engine.session import open_session
from revetl.engine.why import why
from revetl.engine.workspace import Workspace
from revetl.errors import StateError, UsageError
from revetl.state import optouts
from revetl.state.flowlog import Filters
from revetl.types import JSON
from tests.unit.engine.harness import Rig, fields, plan
from tests.unit.engine.shopping import YML, shop
from tests.unit.state.test_ledger_chain import A, flat
from tests.unit.state.written import KEY, MAIL, Sent

ENCRYPTED = YML + "ledger: {values: encrypted, key: \"{{ env_var('LEDGER') }}\"}\n"
FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}


def values(directory: Path) -> list[JSON]:
    """Return the values of every row of the ledger."""
    return [json.loads(row[10]) for row in json.loads(flat(directory))]


def test_encrypted(tmp_path: Path) -> None:
    """A personal value stands in no file in clear; its key opens it, another one does not, and it is found by HMAC."""
    rig = Rig(plan(fields=fields("email", pii="email") + fields("a")), tmp_path, "encrypted")
    rig.people(("k1", A, "first"))
    rig.run()
    assert not any(b"example.org" in path.read_bytes() for path in (tmp_path / "ledger").iterdir())
    assert b"example.org" not in flat(tmp_path)
    (kept,) = values(tmp_path)
    assert kept["a"] == "first"
    assert set(kept["email"]) == {"hmac", "sealed"}
    assert hidden(kept["email"])
    assert opened(kept["email"], Keyring((b"another", rig.mask.key))) == A
    assert opened(kept["email"], Keyring((b"another",))) == kept["email"]


def test_a_sealed_value_cannot_be_moved_or_changed() -> None:
    """What was changed stays closed; null is a value, too."""
    sealed = json.loads(sealer(KEY)('{"a":{"hmac":"' + "0" * 64 + '"},"b":1}', '{"a":null,"b":1}'))
    assert sealed["b"] == 1
    assert opened(sealed["a"], Keyring((KEY,))) is None
    broken = {**sealed["a"], "sealed": sealed["a"]["sealed"][:-4] + "AAA="}
    assert opened(broken, Keyring((KEY,))) == broken


def run_once(workspace: Workspace) -> None:
    """Open the target as a run does."""
    with open_session(workspace, warehouse=False):
        pass


def test_rotation(tmp_path: Path) -> None:
    """Under a new key the old values are still found; without the old one they are not, and neither is the target."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", Sent('["c1"]', body=FULL))
    run_once(workspace)
    found = rotate(workspace)
    assert found.old == Keyring((KEY,)).ids
    assert len(records(workspace, Filters(), "A@example.org").flows) == 1
    with pytest.raises(UsageError) as no:
        rotate(workspace, drop=found.current)
    assert no.value.code == "RVT-535"
    gone = rotate(workspace, drop=found.old[0])
    assert (gone.current, gone.old) == (found.current, ())
    assert keyring(workspace).ids == (found.current,)
    assert records(workspace, Filters(), "A@example.org").flows == ()


def test_another_key_is_refused(tmp_path: Path) -> None:
    """A key that is not the one of earlier runs stops everything, until somebody says that it is lost."""
    workspace, state = shop(tmp_path, models=False)
    run_once(workspace)
    (state.directory / "ledger.key").write_text("00" * 32)
    with pytest.raises(StateError) as no:
        run_once(workspace)
    assert no.value.code == "RVT-532"
    rotate(workspace, lost=True)
    run_once(workspace)


def test_keys_of_the_environment(tmp_path: Path) -> None:
    """An old key under ``old_keys`` makes a new one a rotation; the file is not used."""
    workspace, _ = shop(tmp_path, models=False)
    one = load_config(ENCRYPTED, path="revetl.yml")
    two = load_config(ENCRYPTED.replace('}"}', '}", old_keys: ["{{ env_var(\'OLD\') }}"]}'), path="revetl.yml")
    assert not one.problems
    assert not two.problems
    env = {"LEDGER": "first", "OLD": "first"}
    run_once(replace(workspace, config=one, options=replace(workspace.options, env=env)))
    env = {"LEDGER": "second", "OLD": "first"}
    with pytest.raises(StateError):
        run_once(replace(workspace, config=one, options=replace(workspace.options, env=env)))
    later = replace(workspace, config=two, options=replace(workspace.options, env=env))
    run_once(later)
    with pytest.raises(UsageError) as no:
        rotate(later)
    assert no.value.code == "RVT-535"


def test_prune(tmp_path: Path) -> None:
    """What is older than it is kept goes, counted first; without a word on how long, nothing does."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", Sent('["c1"]', body=FULL), after=86_400)
    state.run("r2", Sent('["c1"]', body=FULL))
    with pytest.raises(UsageError) as no:
        prune(workspace)
    assert no.value.code == "RVT-534"
    kept = replace(workspace, config=load_config(YML + "ledger: {keep: 12h}\n", path="revetl.yml"))
    assert prune(kept, do=False, clock=lambda: state.now).rows == 1
    assert prune(kept, clock=lambda: state.now).done
    assert prune(kept, do=False, clock=lambda: state.now).rows == 0
    (answer,) = why(workspace, '["c1"]', to=MAIL).syncs
    assert [step.flow.run for step in answer.steps] == ["r2"]
    prune(workspace, timedelta(0), clock=lambda: state.now + timedelta(hours=1))
    (answer,) = why(workspace, '["c1"]', to=MAIL).syncs
    assert (answer.reason.code, answer.steps) == ("pruned", ())


def test_opted_out(tmp_path: Path) -> None:
    """Who opted out there, as far as it was seen, is told so and since when."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", Sent('["c1"]', body=FULL))
    state.change(lambda store: optouts.found(store, MAIL, ['["c1"]'], ['["c1"]']))
    (answer,) = why(workspace, '["c1"]', to=MAIL).syncs
    assert answer.reason.code == "opted_out"


def test_the_first_key_is_one_for_all_who_begin_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody makes the key while somebody else is about to: both go on with the one that stands there."""
    work, _ = shop(tmp_path)
    (work.state_dir / "ledger.key").unlink()
    theirs: list[Keyring] = []
    made = secrets.token_hex

    def slowly(length: int) -> str:
        monkeypatch.setattr(secrets, "token_hex", made)
        theirs.append(keyring(work))
        return made(length)

    monkeypatch.setattr(secrets, "token_hex", slowly)
    assert keyring(work) == theirs[0] == keyring(work)
