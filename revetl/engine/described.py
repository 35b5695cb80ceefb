"""What each key of revetl.yml, of meta and of cases means: for editors' hovers (JSON Schema) and for the reference.

By the name of the part that validates it, then by key, in Markdown; a page is named as `docs/x.md`. A test holds it
complete.
"""

from __future__ import annotations

from collections.abc import Mapping

KEYS: Mapping[str, Mapping[str, str]] = {
    "ItemSpec": {
        "kind": "`properties`: a row is an entity, its columns are what is known of it. `cohort`: a row is a member.",
        "entity": "What a row stands for, such as customer.",
        "key": "A column, a list of columns, or `{name_in_entity: column}`: what tells one entity from another.",
        "updated_at": "The column that says when a row changed.",
        "base": "Properties: `true` for the model that says who exists, where several describe one entity; the others "
        "are left-joined.",
        "label": "Cohort: what it is called at destinations.",
        "to": "Cohort: a name, a list, or `{name: label}`; without it, it serves as an audience only. A name is a "
        "sync, a destination or a group; the most specific wins.",
        "guards": "Cohort: as in revetl.yml, such as `{max_leave: 50%}`.",
        "freshness": "Properties, base model: as in revetl.yml, for the syncs of its entity.",
        "was": "Cohort: the model's former name.",
        "columns": "Meta of columns, where column YAML cannot be written: `{email: {pii: email, to: {hubspot: "
        "email}}}`.",
    },
    "ColumnSpec": {
        "to": "`{name: FIELD}`, or `{name: {field: FIELD, …}}`. A name is a sync (`hubspot.company`), a destination, "
        "or a group; the most specific wins. Without it, the column never leaves.",
        "pii": "Marks personal data: `true`, or a kind such as `email`; a sync must allow it. Columns of that name in "
        "the models below inherit it, with a warning; `pii: false` says that it is something else there.",
        "link": "The entity whose key the column holds: it lands as a link to that record.",
    },
    "FieldOptions": {
        "field": "The field there; the column's own name by default.",
        "on_null": "`clear` (only what revetl itself delivered) or `keep`.",
        "write": "`always`, `create` (with the record's creation) or `if_empty` (only while nothing stands there, "
        "which is looked up before each write; Mailchimp, HubSpot, Salesforce, Iterable).",
        "was": "The field's former name.",
        "hash": "`sha256`: only the digest leaves, is kept in the snapshot and compared; normalised first as Google's "
        "ad products want it (by `pii`: e-mail address, phone, names). `sha256_meta`: by Meta's rules, which also "
        "know city, state, zip, country, birth and gender. `sha256_plain`: the text as it stands. It stays personal "
        "data, so the sync must allow it.",
    },
    "CohortOptions": {
        "label": "What the cohort is called there.",
    },
    "LinkSpec": {
        "entity": "The entity of the other record.",
        "sync": "Which sync of the destination carries the other record, where several do.",
        "key": "The columns that make up its key, where it is made of several.",
    },
    "RootSpec": {
        "version": "`1`.",
        "destinations": "Name → destination.",
        "groups": "Name → destinations, so that `to` can name several at once.",
        "require_tests": "`failed`: failed tests hold; `all`: tests that were not run hold, too; `off`.",
        "timezone": "Of timestamps without one, such as Europe/Berlin.",
        "state": "Where state lies: a directory, `postgresql://…`, or a mapping; see docs/shared-state.md.",
        "ledger": "The record of all that left: what it keeps of personal values, and how long; see docs/ledger.md.",
        "send": "How hard to send.",
        "network": "How calls leave this machine: a proxy, and authorities of your own.",
        "warehouse": "dbt target → how revetl connects to the warehouse of the models, as an output of profiles.yml: "
        "it stands in its place, whole. For a role that may only read, or where there is no profiles.yml.",
        "incremental": "`true`, or a mapping: reads what is newer than the last run settled, where models have "
        "`updated_at`; see docs/running.md.",
        "memory_limit": "What a run may take, such as `2GB`; DuckDB is told seven tenths of it and puts the rest on "
        "disk. Without it, DuckDB may take four fifths of the machine's.",
        "policies": "What may leave, and what a model must say before it does. A sync that breaks one does not run.",
        "freshness": "How long after the build of its models a sync may be acknowledged: `{warn: 30m, error: 2h}`.",
        "notify": "Who is told when a sync's condition changes; see docs/notices.md.",
        "telemetry": "Services that are told of each run; off by default; see docs/notices.md.",
    },
    "DestinationSpec": {
        "type": "Which tool it is; the name itself by default.",
        "targets": "dbt target → settings, or `sandbox`; a target that is not named goes nowhere.",
        "syncs": "Name → sync; without it, one sync for each entity that is mapped there.",
    },
    "SyncConfig": {
        "entity": "The entity whose rows it carries.",
        "object": "The kind of record there; the destination's first by default.",
        "match": "`{their_field: our_property}`: what a record is found by there.",
        "audience": "Cohorts: only members of all of these leave.",
        "exclude": "Cohorts: members of these never leave.",
        "mode": "`upsert`, `update` or `insert`, as the destination supports.",
        "on_leave": "What becomes of a record whose row is gone: `keep`, `clear`, `archive`, `delete`, as the "
        "destination supports; `drop` clears what is personal (`pii`) and keeps the rest.",
        "on_leave_scope": "`created`: archive and delete touch only what revetl created; or `all`.",
        "allow_delete": "`true` is needed for `on_leave: delete`.",
        "consent": "The column that says who wants no mail, and what is done then.",
        "cohorts": "How a cohort lands: `tag` (Mailchimp, Intercom), `list` (HubSpot, Iterable, Marketo, Pardot, "
        "Sailthru), `label` or `field` (Pipedrive), `campaign` or `field` (Salesforce), `attribute` (Braze), "
        "`segment` (Customer.io), `row` (Postgres), `message` (webhook, files).",
        "create_cohorts": "`false`: use tags and lists that exist, make none.",
        "constants": "`{FIELD: value}`, or `{FIELD: {value: …, write: always}}`; by default in new records only. "
        "`always` writes it whenever a record is sent anyway; no record is sent for it alone.",
        "allow_pii": "`true`, or kinds or columns of personal data that may leave.",
        "guards": "Limits beyond which changes are held, and wait for somebody.",
        "freshness": "As for the whole file, for this sync.",
        "timezone": "As for the whole file, for this sync.",
        "was": "The sync's former name.",
        "settings": "Settings of the target that are different for this sync.",
    },
    "GuardsSpec": {
        "max_leave": "How many may leave in one run, as `10%`, `50`, `[10%, 50]` (the greater of both) or `off`.",
        "max_change": "How many records may change in one run, as `10%`, `50`, `[10%, 50]` (the greater of both) or "
        "`off`.",
        "max_null": "Of how many records one field may turn null in one run, as `10%`, `50`, `[10%, 50]` (the greater "
        "of both) or `off`.",
        "min_rows": "The fewest rows that a model has when it is well.",
        "on_trip": "`hold`: what is suspicious waits and the rest goes on; `stop`: nothing of the sync goes.",
        "max_age": "How old the build of the models may be, such as `36h`.",
        "unusual": "Up to how many changes of a kind nothing is unusual, whatever earlier runs were like, as `10%`, "
        "`50`, `[10%, 50]` (the greater of both) or `off`.",
        "similar_keys": "`stop`: a new key that differs from another by case, blanks or Unicode form alone stops the "
        "sync; `allow`: it is another key.",
    },
    "ConsentSpec": {
        "column": "A boolean: whoever it says `false` of is withdrawn; `true` restores nothing, null says nothing.",
        "on_false": "How it is withdrawn: `unsubscribe`.",
        "new_as": "How new people start: `subscribed`, `pending` or `transactional` at Mailchimp.",
    },
    "ConstantSpec": {
        "value": "Text, a number, true or false.",
        "write": "`create` (in new records only) or `always`.",
    },
    "PoliciesSpec": {
        "deny": '`["pii → ads", "pii:email → mailchimp", "tag:finance → hubspot.company"]`: a kind of data (`pii`, '
        "`pii:KIND`, dbt's `tag:NAME` of a column or model, `group:NAME` of a model) and a destination, sync or "
        "group; `->` will do too.",
        "only": '`{"pii:phone": [hubspot], "group:hr": []}`: where alone a kind of data may go.',
        "require_description": "`true`: mapped columns and cohorts are described in YAML.",
        "require_owner": "`true`: models are in a dbt group, or name an `owner` in their meta.",
        "require_tests_on_key": "`true`: tests say that keys are unique and never null.",
        "require_contract": "`true`: models have an enforced contract.",
        "access": "`public`, or a list: which access models may have.",
        "max_new_fields": "How many fields of one sync may newly leave in one `check --state`.",
    },
    "StateConfig": {
        "url": "A directory or `postgresql://…`; a secret in it is `{{ env_var('NAME') }}`.",
        "engine": "`warehouse`: it lies in the Postgres or Snowflake that has the models, which also compares.",
        "schema": "The schema of its tables; the target's name is put behind it.",
        "lease": "After how long the lock of a run that died is free, such as `30m`.",
        "witness": "A directory elsewhere, or s3://… or gs://…, for a second head record of a state in files; "
        "see docs/shared-state.md.",
    },
    "LedgerConfig": {
        "url": "A directory, `s3://…` or `gs://…` for its files; without it they lie with the state.",
        "key": "The key of what is hidden, as `{{ env_var('NAME') }}`.",
        "old_keys": "Keys of before, to read what they hid; a list of such references.",
        "values": "Personal values as keyed hashes (`hash`), as they are (`clear`), or `encrypted`.",
        "keep": "What `revetl prune` leaves, such as `400d`.",
    },
    "NetworkSpec": {
        "proxy": "The URL of a proxy for https, such as `\"{{ env_var('HTTPS_PROXY') }}\"`; that of the environment is "
        "used only where it is named so. This machine is reached without it.",
        "no_proxy": "Hosts that are reached without the proxy; `*.example.com` for what is below one.",
        "ca_file": "A file of certificates (PEM), relative to the project: authorities besides the well-known ones.",
    },
    "SendConfig": {
        "max_in_flight": "How many calls may be under way at once.",
        "deadline": "Send nothing after this long, such as `30m`; the next run goes on.",
        "backfill_share": "Which share of a quota rows may take that are sent again only because the mapping changed.",
    },
    "IncrementalConfig": {
        "leaves": "Who left is seen by reading `keys` in every run, or in `full` reads alone.",
        "full_every": "How often everything is read again, such as `24h`.",
        "look_back": "How much later than it is dated a row may be committed, such as `1h`.",
        "clock_skew": "How far the clocks of sources may be ahead, such as `5m`.",
    },
    "FreshnessSpec": {
        "warn": "From the models' build to the acknowledgement: beyond this it is a warning, such as `30m`.",
        "error": "Beyond this it is an error, such as `2h`.",
    },
    "NotifySpec": {
        "channels": "Slack, webhooks and mail servers that are told when a condition begins and when it ends.",
        "rejected": "The share of a sync's rows from which rejections are told, such as `5%`.",
        "quota": "The share of a quota from which it is told, such as `90%`.",
    },
    "SlackSpec": {
        "type": "`slack`.",
        "url": "The incoming webhook, as `{{ env_var('NAME') }}`: it is a secret.",
        "on": "Which conditions are told; all by default.",
    },
    "WebhookSpec": {
        "type": "`webhook`.",
        "url": "Where the change is posted as JSON.",
        "token": "Sent as `Authorization: Bearer`; `{{ env_var('NAME') }}`.",
        "on": "Which conditions are told; all by default.",
    },
    "EmailSpec": {
        "type": "`email`.",
        "host": "The mail server.",
        "port": "Its port.",
        "tls": "`starttls`, `tls`, or `none` for this machine only.",
        "user": "Who logs in.",
        "password": "Its password, as `{{ env_var('NAME') }}`.",
        "sender": "Whom the mail is from.",
        "to": "Whom it goes to.",
        "on": "Which conditions are told; all by default.",
    },
    "TelemetrySpec": {
        "openlineage": "`true`: events of OpenLineage for each run.",
        "opentelemetry": "`true`: traces and metrics of OpenTelemetry for each run.",
    },
    "CasesSpec": {
        "cases": "What `revetl test` tries, each from empty models and empty accounts; see docs/testing.md.",
        "types": "Model → column → type in DuckDB's words, where neither the catalog nor the rows tell it.",
    },
    "CaseSpec": {
        "name": "What the case is called: `--case` chooses by it.",
        "given": "Model → its rows; a model without rows is empty. A column that its YAML does not know is an error.",
        "expect": "What must be true after a sync of these rows; without it the case fails and shows all that came.",
        "then": "Further steps, in their order.",
    },
    "StepSpec": {
        "given": "Model → its rows; a model that is not named keeps those of the step before.",
        "expect": "What must be true after a sync of these rows.",
    },
    "ExpectSpec": {
        "records": "Sync → identity → what was sent and acknowledged; of a sync that is named, every record.",
        "calls": "Destination → every call of this step that carried rows, in any order.",
        "rejected": 'Sync → key → the code of the refusal, such as `{hubspot.customer: {"4": INVALID_EMAIL}}`.',
        "held": "Sync → the guards that held something there, such as `{hubspot.customer: [min_rows]}`.",
    },
    "RecordSpec": {
        "fields": "Field → value as the destination spells it; `*` stands for any value.",
        "cohorts": "The cohorts that the record is in, by the names of their models.",
    },
    "CallSpec": {
        "call": "Method and path, such as `POST /3.0/lists/sandbox`; `*` stands for any piece of the path.",
        "body": "What it carries, JSON as data; `*` stands for any value, and is the default.",
    },
}
