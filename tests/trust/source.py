"""Faults of dbt's artefacts, the models and their values."""

from __future__ import annotations

from tests.trust.rows import Row

PLACE = "Source"


def _row(fault: str, does: str, exits: str, *tests: str, open: str = "") -> Row:  # noqa: A002 - the row's own word
    return Row(PLACE, fault, does, exits, tests, open)


SOURCE = (
    _row(
        "manifest.json is missing, cut off, or no JSON",
        "names the file and the byte, sends nothing, leaves state alone",
        "2",
        "tests/unit/manifest/test_bad_artifacts.py::test_truncated_names_path_and_byte",
        "tests/unit/manifest/test_bad_artifacts.py::test_fuzzed_bytes",
        "tests/unit/cli/test_cli_debug.py::test_each_missing_file_is_its_own_finding",
    ),
    _row(
        "a manifest of a version that revetl does not know",
        "lists the versions that it reads and guesses nothing",
        "2",
        "tests/unit/manifest/test_bad_artifacts.py::test_unknown_version",
        "tests/unit/manifest/test_bad_artifacts.py::test_version_11_is_read",
        "tests/unit/manifest/test_real_manifests.py::test_fixture_project",
    ),
    _row(
        "a manifest that is older than the models, or of another target",
        "holds the sync past `max_age`, where the last run had a younger one, and where its models lie elsewhere; "
        "another git commit is recorded, and no reason to hold",
        "3",
        "tests/unit/engine/test_engine_guards.py::test_max_age",
        "tests/unit/engine/test_engine_unusual.py::test_a_manifest_that_is_older_than_the_last_run_s_stops_the_sync",
        "tests/unit/engine/test_engine_guards.py::test_relations_moved",
    ),
    _row(
        "a model is gone, disabled, not built, or may not be read",
        "names it with what is near or what to grant; syncs that do not need it go on",
        "1/2",
        "tests/unit/mapping/test_plan_complaints.py::test_one_complaint",
        "tests/unit/mapping/test_plan_build.py::test_one_bad_sync_never_stops_the_others",
        "tests/unit/warehouse/test_warehouse_duckdb.py::test_missing",
        "tests/warehouse/test_postgres_types.py::test_a_missing_grant_is_named",
    ),
    _row(
        "a model, a parent or a test failed or was skipped, or the build was an empty one",
        "holds every sync that is made of it; a test that did not run is a note unless all are required",
        "3",
        "tests/unit/engine/test_engine_guards.py::test_tests",
        "tests/unit/engine/test_engine_guards.py::test_not_run",
        "tests/unit/engine/test_engine_guards.py::test_failed_build",
        "tests/unit/engine/test_engine_guards.py::test_partial_build",
        "tests/unit/manifest/test_read_results.py::test_newest_per_node",
        "tests/e2e/test_guards.py::test_failed_tests_hold_and_passing_ones_release",
        "tests/e2e/test_guards.py::test_an_empty_build_is_refused",
    ),
    _row(
        "a model is empty, or lost more rows than it may",
        "sends not one of those leaves, shows how many and whom; an approval lets that very plan through, once",
        "3",
        "tests/trust/test_drops.py::test_no_random_drop_beyond_the_limit_sends_a_leave",
        "tests/e2e/test_guards.py::test_an_empty_model_stops_its_syncs",
        "tests/e2e/test_guards.py::test_too_many_leaves_are_held_and_the_rest_goes",
        "tests/e2e/test_guards.py::test_an_approval_of_what_was_refused_lets_it_through_once",
        "tests/unit/engine/test_engine_guards.py::test_min_rows",
        "tests/unit/engine/test_engine_guards.py::test_joined_model_lost",
    ),
    _row(
        "half of a load arrived: far more rows changed, or turned null, than ever do",
        "holds what goes beyond `max_change` and `max_null`, and what goes far beyond all earlier runs, of a sync or a "
        "cohort",
        "3",
        "tests/unit/engine/test_engine_guards.py::test_change_held",
        "tests/unit/engine/test_engine_guards.py::test_null_held",
        "tests/unit/engine/test_engine_unusual.py::test_more_changes_than_ever_are_held_until_approved",
        "tests/unit/engine/test_engine_unusual.py::test_leaves_new_records_and_members_have_habits_of_their_own",
        "tests/unit/engine/test_engine_unusual.py::test_one_odd_run_makes_no_rule",
        "tests/unit/engine/test_engine_unusual.py::test_after_a_pause_more_is_usual",
    ),
    _row(
        "a key is null or stands twice",
        "stops the whole sync by name; no approval lets it through",
        "3",
        "tests/unit/engine/test_engine_guards.py::test_broken_keys",
        "tests/unit/engine/test_engine_guards.py::test_repeated_key_of_a_joined_model",
        "tests/e2e/test_guards.py::test_a_broken_key_stops_its_syncs",
    ),
    _row(
        "two keys or two addresses differ by case, blanks or Unicode form alone",
        "addresses are compared without case and blanks, and both rows are refused by name; a new key that is like "
        "another stops the sync, until it is approved or allowed for good",
        "1/3",
        "tests/unit/diff/test_identities.py::test_collision",
        "tests/unit/diff/test_identities.py::test_case_only",
        "tests/e2e/test_guards.py::test_one_address_of_two_customers",
        "tests/unit/engine/test_engine_unusual.py::test_a_new_key_that_is_like_another_stops_the_sync",
        "tests/unit/engine/test_engine_unusual.py::test_similar_keys_can_be_meant",
    ),
    _row(
        "the key has another type or another column",
        "stops the sync: every record would look new and every old one gone; `rekey` carries all that is known over to "
        "the new key, and sends nothing",
        "3",
        "tests/unit/engine/test_engine_guards.py::test_key_type_changed",
        "tests/unit/engine/test_rekeying.py::test_another_column",
        "tests/unit/engine/test_rekeying.py::test_another_type",
        "tests/unit/engine/test_rekeying.py::test_what_cannot_be_carried_over",
        "tests/unit/engine/test_rekeying.py::test_who_is_forgotten_stays_forgotten",
        "tests/unit/engine/test_rekeying.py::test_the_ledger_tells_of_former_keys",
    ),
    _row(
        "a mapped column is gone, or has another type; an unmapped one is new",
        "stops the sync by name; holds it until approved and then sends what differs; sends nothing",
        "3/0",
        "tests/unit/engine/test_engine_guards.py::test_column_gone",
        "tests/unit/engine/test_engine_guards.py::test_retyped",
        "tests/e2e/test_guards.py::test_a_mapped_column_is_gone",
        "tests/e2e/test_sync.py::test_an_unmapped_column_sends_nothing",
    ),
    _row(
        "the warehouse goes away while a model is read; models are read at different moments",
        "compares nothing that was read in part; all models of a run are of one moment",
        "4",
        "tests/warehouse/test_reads_that_fail.py::test_postgres_goes_away_midway",
        "tests/warehouse/test_postgres_types.py::test_a_server_that_goes_away_while_it_is_read",
        "tests/warehouse/test_postgres_types.py::test_all_models_are_of_one_moment",
    ),
    _row(
        "NaN, infinities, long decimals, integers beyond 2^53, dates before 1970, NUL, odd text, times without a zone",
        "carries the value as it is or refuses its row with a reason: never rounds, never sends null instead",
        "1",
        "tests/unit/encode/test_encode_roundtrip.py::test_integers",
        "tests/unit/encode/test_encode_roundtrip.py::test_decimals",
        "tests/unit/encode/test_encode_roundtrip.py::test_doubles",
        "tests/unit/encode/test_encode_roundtrip.py::test_text",
        "tests/unit/encode/test_encode_roundtrip.py::test_timestamps",
        "tests/unit/encode/test_encode_roundtrip.py::test_json",
        "tests/unit/encode/test_encode_fields.py::test_naive_timestamps",
        "tests/unit/encode/test_encode_fields.py::test_nothing_raises",
    ),
    _row(
        "names with quotes, dots, `__proto__` or SQL in columns and meta",
        "quotes every name; what cannot be one is refused before it reaches SQL",
        "2",
        "tests/unit/encode/test_encode_objects.py::test_attack_list_of_names",
        "tests/unit/encode/test_encode_objects.py::test_columns_of_any_name",
        "tests/unit/encode/test_encode_objects.py::test_any_text_is_quoted",
        "tests/unit/encode/test_encode_objects.py::test_names_that_cannot_be",
        "tests/unit/mapping/test_plan_hostile.py::test_names_with_control_characters_are_refused",
        "tests/warehouse/test_postgres_types.py::test_names_of_every_kind",
    ),
    _row(
        "Jinja in meta; YAML with bombs, anchors, tags or endless nesting",
        "renders no meta; refuses such YAML at once with its line, and expands nothing",
        "2",
        "tests/unit/config/test_config_yaml.py::test_refused",
        "tests/unit/config/test_config_yaml.py::test_any_text_is_data_or_one_error",
        "tests/unit/config/test_config_secrets.py::test_nothing_else_is_evaluated",
        "tests/unit/mapping/test_plan_hostile.py::test_hostile_names_stay_names",
        "tests/unit/manifest/test_bad_artifacts.py::test_deep_nesting",
        "tests/unit/warehouse/test_warehouse_profiles.py::test_bombs",
    ),
    _row(
        "a manifest whose relation is a file, a function or a statement",
        "puts the name together from its parts; DuckDB reads no file, loads no extension and finds no Python object",
        "2",
        "tests/unit/manifest/test_relation_name.py::test_anything_else_is_refused",
        "tests/unit/manifest/test_relation_name.py::test_hostile_name_falls_back_to_parts",
        "tests/unit/warehouse/test_warehouse_connection.py::test_nothing_else",
        "tests/unit/warehouse/test_warehouse_connection.py::test_python_objects_are_no_tables",
        "tests/unit/warehouse/test_warehouse_connection.py::test_views_over_files",
    ),
)  # fmt: skip
