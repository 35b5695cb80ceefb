"""Faults of processes, disks and clocks, and of what is left behind."""

from __future__ import annotations

from tests.trust.rows import Row

PLACE = "Process, disk, time"


def _row(fault: str, does: str, exits: str, *tests: str, open: str = "") -> Row:  # noqa: A002 - the row's own word
    return Row(PLACE, fault, does, exits, tests, open)


PROCESS = (
    _row(
        "two runs of a target at once; a question while a run is at work",
        "the second names the first and leaves before it reads; questions are answered from a copy",
        "4",
        "tests/e2e/test_process.py::test_two_runs_at_once",
        "tests/e2e/test_process.py::test_many_runs_at_once",
        "tests/unit/state/test_head.py::test_lock_names_its_holder",
        "tests/unit/state/test_views.py::test_view_while_another_process_holds_the_database",
    ),
    _row(
        "two machines with one target",
        "a shared state has one owner: the other machine leaves, and writes nothing once its lease is lost; copies of "
        "a state in files are told apart where `state: {witness: …}` names a place that all of them see, else not",
        "4/2",
        "tests/warehouse/test_shared_state.py::test_two_machines_at_once",
        "tests/warehouse/test_shared_state.py::test_a_machine_that_sleeps_too_long",
        "tests/unit/state/test_shared.py::test_one_who_lost_the_lease_writes_nothing",
        "tests/unit/state/test_witness.py::test_two_copies_at_work_at_once",
        "tests/unit/state/test_witness.py::test_a_directory_that_is_put_back_whole",
    ),
    _row(
        "kill -9, out of memory or power, at any step",
        "the next plain run sends what is not acknowledged, and all agree; nobody has to type anything. Where a disk "
        "forgets head and log alike, a witness on another one notices (2, `recover`); without one, a value that turned "
        "back meanwhile is sent again only once it changes or `verify` finds it",
        "-",
        "tests/e2e/test_killed.py::test_every_point_is_known",
        "tests/e2e/test_killed.py::test_killed_at_any_point_a_plain_run_sends_what_was_in_flight",
        "tests/e2e/test_process.py::test_killed_at_any_moment_a_plain_run_converges",
        "tests/e2e/test_process.py::test_killed_between_the_vendors_calls_both_converge",
        "tests/e2e/test_process.py::test_killed_before_anything_left",
        "tests/e2e/test_kills.py::test_killed_again_and_again",
        "tests/e2e/test_disk.py::test_killed_by_a_call_loses_nothing",
        "tests/trust/test_damage.py::test_a_disk_that_forgets_its_last_moments",
        "tests/unit/state/test_crashes.py::test_killed_anywhere",
        "tests/faults/test_schedules.py::test_every_schedule_converges",
        "tests/unit/state/test_witness.py::test_a_disk_that_forgets_head_and_log_alike",
    ),
    _row(
        "SIGTERM or SIGINT",
        "no new call, an orderly close within five seconds; a second signal ends it at once",
        "143/130",
        "tests/e2e/test_stopping.py::test_a_run_that_waits_ends_with_a_summary",
        "tests/e2e/test_process.py::test_a_signal_ends_the_run_in_order_within_seconds",
        "tests/unit/cli/test_cli_progress.py::test_second_signal_leaves_at_once_with_its_code",
        "tests/unit/cli/test_cli_progress.py::test_an_end_that_takes_too_long_is_cut_off",
        "tests/unit/send/test_delivery.py::test_a_signal_ends_the_run",
    ),
    _row(
        "the disk is full, or may not be written",
        "intents are written first, so that nothing leaves unrecorded; then the run stops with a message",
        "2",
        "tests/e2e/test_killed.py::test_a_full_disk_stops_the_run_before_anything_unrecorded_leaves",
        "tests/e2e/test_disk.py::test_a_call_that_fails_loses_nothing",
        "tests/e2e/test_disk.py::test_a_small_disk_is_full",
        "tests/unit/state/test_crashes.py::test_intent_is_durable_before_the_wire",
        "tests/destinations/test_file.py::test_what_is_not_written_waits",
    ),
    _row(
        "the state is damaged, its write-ahead log is lost, or it was rolled back",
        "refuses it by the head record beside it; `recover` puts all of it in doubt and deletes nothing unasked",
        "2",
        "tests/trust/test_damage.py::test_no_damage_is_taken_for_a_good_state",
        "tests/e2e/test_killed.py::test_a_damaged_state_is_never_taken_for_a_good_one",
        "tests/e2e/test_process.py::test_a_lost_write_ahead_log_is_refused",
        "tests/e2e/test_process.py::test_an_older_state_is_refused",
        "tests/e2e/test_process.py::test_a_cut_state_is_refused",
        "tests/unit/state/test_head.py::test_behind_its_head",
        "tests/e2e/test_process.py::test_a_recovered_state_asserts_all_and_deletes_nobody",
        "tests/unit/engine/test_settling.py::test_a_copy_from_before_a_command_is_refused",
        "tests/unit/engine/test_settling.py::test_recover_from_an_older_copy",
    ),
    _row(
        "the state is gone although the target was synced",
        "is no first run: refuses, and names `adopt`",
        "2",
        "tests/e2e/test_process.py::test_lost_state_is_never_a_first_run",
        "tests/unit/state/test_head.py::test_state_missing",
        "tests/unit/state/test_head.py::test_begun_anew",
    ),
    _row(
        "a newer release, or a newer DuckDB, wrote the state; an older one did",
        "refuses the newer before it changes anything; brings the older up to date, and it converges",
        "2/0",
        "tests/unit/state/test_head.py::test_newer",
        "tests/unit/state/test_head.py::test_storage_version",
        "tests/unit/state/test_older_state.py::test_older_state",
    ),
    _row(
        "a clock that jumps, a change to summer time, other zones, leap days",
        "counts waits by the server's clock and orders by number; a time that the zone lacks or has twice is refused",
        "0/1",
        "tests/unit/send/test_retry.py::test_a_date_is_relative_to_the_servers_clock",
        "tests/unit/encode/test_encode_fields.py::test_naive_timestamps",
        "tests/unit/engine/test_incremental.py::test_a_clock_that_is_ahead",
        "tests/unit/warehouse/test_warehouse_connection.py::test_utc_everywhere",
        "tests/unit/state/test_crashes.py::test_seq_is_never_given_twice",
    ),
    _row(
        "standard output is closed, is no terminal, is 80 columns wide; the locale is C",
        "no traceback, no escapes, nothing wider than the screen; documents stay whole",
        "as run",
        "tests/unit/cli/test_cli_errors.py::test_a_reader_that_left_is_no_error",
        "tests/unit/cli/test_cli_check.py::test_output_fits_80_columns_without_colour",
        "tests/unit/cli/test_cli_run.py::test_results_fit_80_columns",
        "tests/unit/cli/test_cli_errors.py::test_an_error_is_a_document_where_one_is_wanted",
        "tests/trust/test_surroundings.py::test_a_locale_without_letters",
    ),
    _row(
        "a secret or a personal value on its way into a log, an error, a report, the state or the record",
        "secrets stand nowhere; personal values in the record are keyed hashes",
        "-",
        "tests/e2e/test_secrets.py::test_a_secret_is_written_and_shown_nowhere",
        "tests/e2e/test_secrets.py::test_personal_values_are_in_no_output_and_only_as_hashes_in_the_ledger",
        "tests/e2e/test_secrets.py::test_an_unmapped_column_leaves_nothing_anywhere",
        "tests/e2e/test_secrets.py::test_what_a_policy_denies_leaves_nothing_anywhere",
        "tests/unit/send/test_delivery.py::test_a_refused_row_keeps_no_secret",
        "tests/unit/send/test_parts.py::test_no_secret_and_no_control_character_survives",
    ),
    _row(
        "cells that a spreadsheet takes for formulas",
        "puts an apostrophe before them, by default",
        "0",
        "tests/unit/send/test_asks.py::test_no_cell_is_a_formula",
        "tests/unit/state/test_views_export.py::test_guard_covers_every_beginning",
        "tests/unit/state/test_views_export.py::test_csv_cells_are_no_formulas",
    ),
    _row(
        "the state's directory is a link, or open to others",
        "refuses a link and another user's directory, and closes one that others may enter",
        "2",
        "tests/unit/state/test_head.py::test_link_is_refused",
        "tests/unit/state/test_head.py::test_private_directory",
        "tests/unit/state/test_head.py::test_files_are_private",
        "tests/e2e/test_process.py::test_state_behind_a_link_is_refused",
        "tests/e2e/test_process.py::test_state_is_private",
    ),
)  # fmt: skip
