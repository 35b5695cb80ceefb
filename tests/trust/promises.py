"""What revetl promises in figures, and which tests measure them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """A promise, the figure that it is to reach, and what measures it.

    ``counts``: what one case of the tests stands for; ``prop``: the property in which a case says how many it tried
    (one, where it says nothing); ``goal``: how many there are to be.
    """

    promise: str
    figure: str
    how: str
    counts: str
    tests: tuple[str, ...]
    goal: int = 0
    prop: str = ""


FAULTS, E2E, SUITES = "tests/faults/test_schedules.py::", "tests/e2e/", "tests/destinations/"
FORGETS = "tests/faults/test_forgets.py::"
CONFORMANCE = (
    f"{SUITES}test_braze_conformance.py::TestBraze",
    f"{SUITES}test_conformance.py::TestHubSpot",
    f"{SUITES}test_conformance.py::TestIterable",
    f"{SUITES}test_conformance.py::TestMailchimp",
    f"{SUITES}test_customerio_conformance.py::TestCustomerio",
    f"{SUITES}test_intercom_conformance.py::TestIntercom",
    f"{SUITES}test_marketo_conformance.py::TestMarketo",
    f"{SUITES}test_pardot_conformance.py::TestPardot",
    f"{SUITES}test_pipedrive_conformance.py::TestPipedrive",
    f"{SUITES}test_sailthru_conformance.py::TestSailthru",
    f"{SUITES}test_salesforce_conformance.py::TestSalesforce",
)

PROMISES = (
    Promise(
        "All agree again after any fault",
        "10,000 schedules, 0 divergent",
        "random models and faults at every seam, over the real engine and state; a seed replays one",
        "schedules",
        (f"{FAULTS}test_every_schedule_converges",),
        10_000,
        "schedules",
    ),
    Promise(
        "The simulator would notice",
        "8 planted bugs, each caught",
        "each is put into the engine, and schedules are played until one breaks",
        "bugs caught",
        (f"{FAULTS}test_planted_bugs_are_caught", f"{FORGETS}test_planted_bugs_of_forgetting_are_caught"),
        8,
    ),
    Promise(
        "A seed is a replay",
        "the same log, twice",
        "a schedule is played twice",
        "seeds",
        (f"{FAULTS}test_a_seed_plays_the_same_way_twice",),
        1,
        "replays",
    ),
    Promise(
        "Survives kill -9",
        "200 kills, nothing lost, nothing to type",
        "real processes, killed at each point that matters, at calls of the system and at random moments",
        "runs killed",
        (
            f"{E2E}test_killed.py::test_killed_at_any_point_a_plain_run_sends_what_was_in_flight",
            f"{E2E}test_process.py::test_killed_at_any_moment_a_plain_run_converges",
            f"{E2E}test_process.py::test_killed_between_the_vendors_calls_both_converge",
            f"{E2E}test_process.py::test_killed_before_anything_left",
            f"{E2E}test_kills.py::test_killed_again_and_again",
            f"{E2E}test_disk.py::test_killed_by_a_call_loses_nothing",
            "tests/unit/state/test_crashes.py::test_killed_anywhere",
        ),
        200,
        "kills",
    ),
    Promise(
        "Survives a full disk",
        "0 bytes sent unrecorded",
        "limits on the size of files, small file systems, and single calls that answer ENOSPC or EIO",
        "disks that fail",
        (
            f"{E2E}test_killed.py::test_a_full_disk_stops_the_run_before_anything_unrecorded_leaves",
            f"{E2E}test_disk.py::test_a_small_disk_is_full",
            f"{E2E}test_disk.py::test_a_call_that_fails_loses_nothing",
        ),
        prop="errors",
    ),
    Promise(
        "A damaged state is never believed",
        "2,000 damages, all noticed or harmless",
        "bits flipped, ends torn off, logs lost; what opens must say what was written",
        "damages",
        (
            "tests/trust/test_damage.py::test_no_damage_is_taken_for_a_good_state",
            "tests/trust/test_damage.py::test_a_damaged_log_loses_nobody",
        ),
        2_000,
        "damages",
    ),
    Promise(
        "The record comes before the wire",
        "an intent before the first byte, for every request",
        "a real server that makes every kind of trouble looks for the intent as a request comes in",
        "requests",
        ("tests/trust/test_chaos.py::test_after_any_trouble_the_service_equals_the_model",),
        100,
        "requests",
    ),
    Promise(
        "No accident deletes the many",
        "1,000 random drops beyond the limit, 0 leaves sent",
        "a model that loses any of its rows, again and again",
        "drops",
        ("tests/trust/test_drops.py::test_no_random_drop_beyond_the_limit_sends_a_leave",),
        1_000,
        "drops",
    ),
    Promise(
        "Stays within allowances",
        "0 windows exceeded",
        "counted by the server's clock, over whatever latencies",
        "cases",
        (
            "tests/unit/send/test_limits.py::test_no_sliding_window_is_ever_passed",
            "tests/unit/send/test_limits.py::test_calls_at_once_are_limited",
            "tests/unit/send/test_limits.py::test_lanes_of_one_account_share_its_limits",
            "tests/unit/send/test_limits.py::test_a_quota_is_carried_from_run_to_run",
        ),
    ),
    Promise(
        "No call for nothing",
        "0 calls where nothing changed",
        "a second sync of the demo, before strict stand-ins that count",
        "cases",
        (
            f"{E2E}test_sync.py::test_second_sync_sends_nothing",
            f"{E2E}test_sync.py::test_an_unmapped_column_sends_nothing",
        ),
    ),
    Promise(
        "Every destination passes one suite",
        "60 cases each",
        "the conformance suite, before strict stand-ins",
        "cases, at the least",
        CONFORMANCE,
        60,
    ),
    Promise(
        "Values arrive as they are, or are refused by name",
        "10,000 values, none changed",
        "column, encoding, wire, record there, and back",
        "values",
        CONFORMANCE,
        10_000,
    ),
    Promise(
        "Any answer is bounded",
        "an end by the deadline, memory within the cap",
        "real sockets that drip, flood, bomb, tear and reset",
        "answers",
        (
            "tests/unit/send/test_http.py::test_a_slow_reply_ends_with_the_deadline",
            "tests/unit/send/test_http.py::test_a_gzip_bomb_is_cut",
            "tests/unit/send/test_http.py::test_an_endless_body_is_cut",
            "tests/unit/send/test_http.py::test_a_header_flood_is_cut",
            "tests/unit/send/test_http.py::test_a_truncated_reply_is_unknown",
            "tests/unit/send/test_http.py::test_a_reset_is_unknown",
            "tests/trust/test_memory_of_replies.py::test_no_reply_costs_more_than_its_cap",
        ),
    ),
    Promise(
        "No secret and no denied column leaves",
        "0 canaries found",
        "searched for in requests, state, record, words and reports of whole runs",
        "searches without a find",
        (
            f"{E2E}test_secrets.py::test_an_unmapped_column_leaves_nothing_anywhere",
            f"{E2E}test_secrets.py::test_what_a_policy_denies_leaves_nothing_anywhere",
            f"{E2E}test_secrets.py::test_what_leaves_hashed_leaves_nothing_else_anywhere",
            f"{E2E}test_secrets.py::test_personal_values_are_in_no_output_and_only_as_hashes_in_the_ledger",
            f"{E2E}test_secrets.py::test_a_secret_is_written_and_shown_nowhere",
        ),
    ),
    Promise(
        "Hostile text runs nowhere",
        "500 payloads, 0 run",
        "a real browser opens the page that `docs` builds",
        "payloads",
        ("tests/browser/test_page.py::test_five_hundred_payloads",),
        500,
        "payloads",
    ),
    Promise(
        "A redirect leaks nothing",
        "0 bytes at the second host, every 3xx",
        "two real servers; the first points to the second",
        "statuses",
        ("tests/unit/send/test_http.py::test_no_redirect_is_followed",),
        9,
    ),
    Promise(
        "Stops quickly",
        "5 s, 500 times",
        "SIGTERM and SIGINT while calls are under way or hang, a limit is waited for, models are read",
        "signals",
        (
            f"{E2E}test_process.py::test_a_signal_ends_the_run_in_order_within_seconds",
            f"{E2E}test_stopping.py::test_a_run_that_waits_ends_with_a_summary",
        ),
        500,
        "stops",
    ),
    Promise(
        "An older state opens and converges",
        "every schema there was",
        "a state as the first release wrote it, of each version of the schema since",
        "states",
        ("tests/unit/state/test_older_state.py::test_older_state",),
        10,
    ),
    Promise(
        "Who is forgotten is never sent again",
        "0 later sends, a receipt from each destination",
        "random histories with `forget` at any moment, over two destinations, with lost and restored states, and whole "
        "runs of the shop",
        "histories",
        (
            f"{FORGETS}test_who_is_forgotten_stays_away",
            f"{E2E}test_forget.py::test_forgotten",
            f"{E2E}test_forget.py::test_the_next_sync_does_not_bring_the_person_back",
            f"{E2E}test_forget.py::test_a_lost_state_does_not_bring_the_person_back",
            f"{E2E}test_forget.py::test_a_restored_state_does_not_bring_the_person_back",
            f"{E2E}test_forget.py::test_killed",
        ),
        1_000,
        "forgets",
    ),
    Promise(
        "Words are honest",
        "no promise that nobody can keep",
        "every file of the project is searched",
        "searches",
        ("tests/architecture/test_docs.py::test_no_file_holds",),
    ),
)
