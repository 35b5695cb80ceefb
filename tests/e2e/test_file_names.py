"""What a run writes has names that every system takes."""

from __future__ import annotations

from revetl.types.paths import is_file_name
from tests.e2e.house import House, built


def test_whatever_is_written_has_a_name_for_every_system(fresh: House) -> None:
    """Target, destination and sync named after devices of Windows: a run and a rehearsal write none of these names."""
    fresh.edit("profiles.yml", "    dev:\n", "    nul: {type: duckdb, path: shop.duckdb}\n    dev:\n")
    fresh.edit("revetl.yml", "\n  exports:", "\n  con:")
    fresh.edit("revetl.yml", "dev: {directory: exports, format: csv}", "nul: {directory: exports, format: csv}")
    fresh.edit("revetl.yml", "format: csv}\n    syncs:\n      company:", "format: csv}\n    syncs:\n      aux:")
    companies = fresh.root / "models/marts/companies.yml"
    companies.write_text(companies.read_text(encoding="utf-8").replace("exports:", "con:"), encoding="utf-8")
    built(fresh.root, "parse")
    before = {*fresh.root.rglob("*")}
    for rehearsal in (False, True):
        result = fresh.sync(target="nul", select=["con.aux"], sandbox=rehearsal)
        assert (result.exit_code, [one.delivered for one in result.syncs]) == (0, [20])
    written = {path.relative_to(fresh.root) for path in {*fresh.root.rglob("*")} - before}
    assert [str(path) for path in written if not all(map(is_file_name, path.parts))] == []
    folders = {path.parent.as_posix() for path in written if path.suffix in {".csv", ".jsonl"}}
    assert folders == {"exports/+con.aux", ".revetl/nul-sandbox/sandbox/+con/+con.aux"}
    assert (fresh.root / ".revetl/+nul/state.duckdb").is_file()
