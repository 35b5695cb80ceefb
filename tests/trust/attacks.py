"""What an attacker tries who can write a model's rows, a manifest, a destination's answers or this machine's files."""

from __future__ import annotations

from tests.trust.rows import Row

PLACE = "Attack"


def _row(fault: str, does: str, exits: str, *tests: str, open: str = "") -> Row:  # noqa: A002 - the row's own word
    return Row(PLACE, fault, does, exits, tests, open)


ATTACKS = (
    _row(
        "an address that leads elsewhere: another host, a metadata service, `file:`, a name with password, a redirect",
        "calls https alone, the destination's own hosts alone, and follows nothing; a name that is made to point "
        "elsewhere meets a certificate that does not fit",
        "2",
        "tests/unit/send/test_parts.py::test_what_may_not_be_called",
        "tests/unit/send/test_parts.py::test_host_patterns",
        "tests/unit/send/test_parts.py::test_a_path_stays_a_path",
        "tests/destinations/test_webhook.py::test_unsafe_urls_are_refused",
        "tests/destinations/test_salesforce_token.py::test_a_token_for_a_foreign_host_is_refused",
        "tests/destinations/test_mailchimp_read.py::test_a_key_cannot_lead_to_another_host",
        "tests/unit/send/test_http.py::test_no_redirect_is_followed",
        "tests/unit/send/test_http.py::test_tls_with_a_wrong_certificate_sends_nothing",
    ),
    _row(
        "a poisoned environment: proxies, certificate files, key logs",
        "asks none of them: a proxy, and authorities besides the well-known ones, are those that revetl.yml names",
        "-",
        "tests/unit/send/test_http.py::test_the_environment_is_not_trusted",
        "tests/unit/send/test_network.py::test_the_environment_names_no_proxy",
        "tests/unit/send/test_network.py::test_through_a_proxy_to_a_host_of_a_private_authority",
        "tests/unit/send/test_network.py::test_a_proxy_that_refuses_leaves_no_doubt",
        "tests/unit/engine/test_networking.py::test_what_is_named_is_used",
        "tests/unit/engine/test_networking.py::test_every_command_goes_that_way",
    ),
    _row(
        "secrets in URLs, messages, tracebacks, lists of processes, core files",
        "writes none: no option takes one, an unforeseen error is kept for the owner without values, and a "
        "process that dies leaves no core",
        "-",
        "tests/e2e/test_secrets.py::test_a_secret_is_written_and_shown_nowhere",
        "tests/unit/send/test_http.py::test_no_secret_in_messages_and_logs",
        "tests/unit/cli/test_cli_errors.py::test_what_nobody_foresaw_leaves_its_traceback_in_a_private_file",
        "tests/trust/test_secrets_at_rest.py::test_a_traceback_holds_no_values",
        "tests/trust/test_secrets_at_rest.py::test_no_option_takes_a_secret",
        "tests/trust/test_secrets_at_rest.py::test_a_command_leaves_no_core",
        "tests/unit/config/test_config_secrets.py::test_a_setting_that_does_not_fit_is_named_without_its_value",
        "tests/unit/config/test_config_load.py::test_no_message_repeats_a_value_of_a_target",
    ),
    _row(
        "terminal escapes and workflow commands in a destination's errors or in rows",
        "takes out what moves a cursor; in GitHub Actions no text from outside is a command",
        "as run",
        "tests/unit/cli/test_cli_words.py::test_clean_text_moves_no_cursor",
        "tests/unit/cli/test_cli_words.py::test_clean_by_example",
        "tests/unit/cli/test_cli_words.py::test_clean_breaks_workflow_commands_in_actions",
        "tests/unit/cli/test_cli_run.py::test_hostile_text_of_a_destination_moves_no_cursor",
        "tests/unit/cli/test_cli_check.py::test_hostile_text_makes_no_command_of_its_own",
        "tests/e2e/test_secrets.py::test_hostile_values_do_no_harm",
    ),
    _row(
        "a `.env` file, or a configuration, that lies in the working directory",
        "reads no file of variables; the project's own files alone are read, unless another is named",
        "-",
        "tests/unit/cli/test_cli_debug.py::test_a_file_of_variables_is_not_read",
        "tests/unit/cli/test_cli_check.py::test_the_project_is_found_from_below",
        "tests/unit/warehouse/test_warehouse_profiles.py::test_where_profiles_are_looked_for",
    ),
    _row(
        "a manifest, a plug-in or an extension of DuckDB that brings code",
        "runs nothing of a manifest; loads no extension; imports a plug-in only where `type:` names it",
        "2",
        "tests/unit/manifest/test_relation_name.py::test_hostile_name_falls_back_to_parts",
        "tests/unit/warehouse/test_warehouse_connection.py::test_nothing_else",
        "tests/destinations/test_registry.py::test_asking_for_names_loads_nothing",
        "tests/destinations/test_registry.py::test_a_broken_plugin_is_named",
        "tests/unit/manifest/test_bad_artifacts.py::test_any_shape",
    ),
    _row(
        "names of models, syncs, cohorts or targets that climb out of a directory",
        "makes one plain part of a path of each; writes nothing outside, through links neither",
        "2",
        "tests/trust/test_paths.py::test_names_of_directories_are_plain",
        "tests/destinations/test_file.py::test_names_stay_in_the_directory",
        "tests/destinations/test_file.py::test_directories_do_not_climb",
        "tests/unit/send/test_asks.py::test_no_file_leaves_its_directory",
        "tests/unit/send/test_asks.py::test_a_symbolic_link_leads_nowhere",
    ),
    _row(
        "a state that is a link or shared with others",
        "refuses it, or closes it",
        "2",
        "tests/unit/state/test_head.py::test_link_is_refused",
        "tests/unit/state/test_head.py::test_private_directory",
        "tests/e2e/test_process.py::test_state_behind_a_link_is_refused",
    ),
    _row(
        "a reply that is small on the wire and large in memory",
        "stops at a number of bytes, before and after decoding, and does not ask again",
        "1",
        "tests/unit/send/test_http.py::test_a_gzip_bomb_is_cut",
        "tests/unit/send/test_http.py::test_an_endless_body_is_cut",
        "tests/unit/send/test_parts.py::test_bodies_are_capped",
    ),
    _row(
        "text that makes a regular expression run for ever",
        "takes no expression from anybody; its own end quickly on any text",
        "-",
        "tests/trust/test_patterns.py::test_no_pattern_takes_long",
        "tests/trust/test_patterns.py::test_selections_of_many_stars_end",
    ),
    _row(
        "line ends that forge a line of a log",
        "one event is one line; documents are JSON",
        "-",
        "tests/unit/cli/test_cli_words.py::test_clean_text_moves_no_cursor",
        "tests/unit/cli/test_cli_run.py::test_log_lines_are_json_where_wanted",
        "tests/unit/cli/test_cli_errors.py::test_an_error_is_a_log_line_where_they_are_wanted",
        "tests/destinations/test_webhook.py::test_headers_cannot_smuggle_lines",
        "tests/unit/send/test_http.py::test_a_header_cannot_smuggle_another",
    ),
    _row(
        "cells of a file that a spreadsheet runs",
        "puts an apostrophe before them",
        "-",
        "tests/unit/send/test_asks.py::test_no_cell_is_a_formula",
        "tests/unit/state/test_views_export.py::test_guard_covers_every_beginning",
    ),
    _row(
        "an approval that is used for something else, later, or again",
        "binds it to keys or to a number, to a day, to one run, and records who gave it",
        "3",
        "tests/unit/engine/test_engine_guards.py::test_approval_is_used_once",
        "tests/unit/engine/test_engine_guards.py::test_approval_is_bounded",
        "tests/unit/engine/test_engine_guards.py::test_hash_lets_a_subset_through",
        "tests/unit/engine/test_engine_guards.py::test_hash_lets_nothing_else_through",
        "tests/unit/engine/test_engine_guards.py::test_a_hash_is_of_one_sync_and_recorded",
        "tests/unit/engine/test_settling.py::test_approvals_that_cannot_be",
        "tests/unit/cli/test_cli_state.py::test_approve_retire_recover",
    ),
    _row(
        "a state or a record that is put back, or changed, to hide what was sent",
        "notices both: the head record beside the state, and the chain over the record's files; where all of them are "
        "put back together, a witness elsewhere",
        "2",
        "tests/e2e/test_process.py::test_an_older_state_is_refused",
        "tests/unit/state/test_ledger_chain.py::test_chain_notices",
        "tests/unit/state/test_ledger_chain.py::test_chain_of_entries",
        "tests/unit/state/test_rewriting.py::test_what_was_taken_out_does_not_come_back",
        "tests/unit/state/test_witness.py::test_a_directory_that_is_put_back_whole",
        "tests/e2e/test_put_back.py::test_a_state_directory_that_is_put_back_whole",
    ),
    _row(
        "markup in rows, descriptions and errors on the page that `docs` builds, in comments and summaries",
        "shows it as text; the page asks nobody for anything",
        "-",
        "tests/browser/test_page.py::test_five_hundred_payloads",
        "tests/browser/test_page.py::test_it_stands_alone",
        "tests/unit/cli/test_cli_check.py::test_step_summary_is_a_table",
        "tests/unit/cli/test_cli_check_report.py::test_markdown_is_for_a_comment",
    ),
)  # fmt: skip
