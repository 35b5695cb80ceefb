"""What ``revetl explain CODE`` tells beyond the title: how it comes about, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "RVT-100": "A command, an option or its value does not exist. `revetl COMMAND --help` lists what there is.",
    "RVT-101": "revetl.yml says which tools there are and stands beside dbt_project.yml. `revetl init` writes a "
    "first one; --config FILE names one that lies elsewhere.",
    "RVT-102": "The file is not YAML, or uses what revetl refuses there: anchors, aliases, tags, a key twice. The "
    "message names the line. Mostly it is the indentation, or a text with a colon that wants quotes.",
    "RVT-103": "A value has another shape than the key wants. The message names line and key; the "
    "configuration reference has each key, and `revetl schema` lets your editor check them as you type.",
    "RVT-104": "Secrets are read from the environment, when they are needed and not before. Export the variable in "
    "the shell, or add it to the secrets of the scheduler. A variable that is set to nothing counts as "
    "missing, because CI systems hand over a secret that does not exist as an empty text.",
    "RVT-105": "`{{ env_var('NAME') }}` and `{{ env_var('NAME', 'default') }}` are all that revetl.yml may have in "
    "braces, and only in the settings of a target. What is computed belongs in a model.",
    "RVT-106": "A destination's settings for this target lack something, or have something it does not know. The "
    "page of the destination in docs/destinations/ lists them; `revetl debug` tries them one by one.",
    "RVT-107": "A destination sends only for the dbt targets that it names, so that nobody writes to production from "
    "a laptop. Add the target below its `targets:`: `sandbox` for the local stand-in, or settings of its "
    "own.",
    "RVT-110": "--select and --exclude take syncs (hubspot.customer), destinations (hubspot), models, and dbt's "
    "methods such as tag:crm or customers+. `revetl ls` lists what there is for this target.",
    "RVT-120": "revetl.yml has a key that revetl does not know. Nothing that is misspelt is ever ignored; the "
    "nearest known key is in the hint.",
    "RVT-121": "A secret stands in revetl.yml in clear. Put it into a variable, write {{ env_var('NAME') }} in its "
    "place, and change the secret if the file was ever shared.",
    "RVT-124": "`type:` names no destination that is installed. Types of third parties come with their package.",
    "RVT-125": "There are destinations, and none of them names this target: nothing goes anywhere. Check --target "
    "and the profile's default against the `targets:` in revetl.yml.",
    "RVT-130": "A file of cases for `revetl test` is not written as such a file is; docs/testing.md has all that can "
    "be written.",
    "RVT-131": "A row in a case has a value that the column's type does not take. Types come from the model's YAML "
    "(data_type), from catalog.json, or from `types:` at the top of the file.",
    "RVT-132": "`revetl test` looks for revetl_tests/*.yml beside dbt_project.yml unless you name files.",
    "RVT-133": "Cases are tried on a sound project. `revetl check` lists what is wrong with this one.",
    "RVT-200": "revetl reads what dbt wrote: target/manifest.json. `dbt build` (or `dbt parse`, for revetl check) "
    "makes it. Where dbt has another target-path, revetl reads it in dbt_project.yml and DBT_TARGET_PATH.",
    "RVT-201": "The file was cut off, or another program wrote it. Build again; two dbt processes that share a "
    "target folder get in each other's way.",
    "RVT-202": "Another version of dbt wrote this than revetl knows. Manifests of dbt-core 1.8 to 1.12 and of Fusion "
    "are read.",
    "RVT-300": "A value in a model's or column's meta does not fit. The message names the YAML file, model and "
    "column. After a change, `dbt parse` writes the manifest that revetl reads.",
    "RVT-301": "Meta has a key that revetl does not know; the nearest is in the hint. Keys of a model: kind, entity, "
    "key, updated_at, base, label, to, guards, freshness, was, columns. Of a column: to, pii, link.",
    "RVT-302": "A column's `to:` names a destination, a sync (hubspot.customer) or a group of revetl.yml. None has "
    "that name.",
    "RVT-303": "The column that meta speaks of is none of the model's.",
    "RVT-305": "A sync must know by which field it finds a record: `match: {their_field: our_column}`.",
    "RVT-306": "The column of `match` must itself go to the destination: add it to that column's `to:`.",
    "RVT-307": "A column tagged `pii:` leaves only where the sync also allows it: `allow_pii: [email]`, a column's "
    "name, or true. Two people, two files: whoever owns the model and whoever owns the tool both agree.",
    "RVT-308": "An ephemeral or disabled model has no table to read. Materialize it as table or view.",
    "RVT-310": "Several properties models may describe one entity; one of them, marked `base: true`, says who exists.",
    "RVT-311": "Models of one entity share its key: same number of columns. `key: {customer_id: id}` says that a "
    "column has another name here.",
    "RVT-313": "A column says where it goes, and its model does not say what it is. Add `revetl: {kind: properties, "
    "entity: …, key: …}` to the model's meta.",
    "RVT-314": "The destination has syncs, and none of this entity. Add one, or take the name out of the column's "
    "`to:`.",
    "RVT-325": "The tool makes no record without these fields. Map a column to each, or write a constant.",
    "RVT-329": "revetl.yml has a sync of an entity, and no model says `kind: properties` of it.",
    "RVT-340": "Sources may be synced, but dbt tests nothing of them before they leave.",
    "RVT-341": "The name, type or tag of a column looks like personal data, and it has no `pii:`. Tag it (`pii: "
    "email`), or say `pii: false`.",
    "RVT-342": "The YAML does not describe this column, so nothing can be said of it before the build.",
    "RVT-400": "revetl works in a dbt project: run it in the folder of dbt_project.yml or below, or say "
    "--project-dir DIR.",
    "RVT-401": "profiles.yml is looked for as dbt does it: --profiles-dir, DBT_PROFILES_DIR, the working directory, "
    "~/.dbt/. In CI it is mostly the home directory that is another one. `dbt debug` shows where dbt "
    "finds its own.",
    "RVT-403": "dbt_project.yml names a profile, and --target (or the profile) a target in it. One of them is not "
    "there.",
    "RVT-404": "Models are read from DuckDB files, Postgres and Snowflake so far.",
    "RVT-405": "The profile's DuckDB lives in memory or elsewhere, and is gone when dbt ends: give it a `path:`.",
    "RVT-410": "dbt has not built anything into this database yet, or into one of another target. `dbt build -t "
    "TARGET`.",
    "RVT-411": "DuckDB lets one process write. Wait until dbt (or an open shell on the file) is done; a scheduler "
    "may try again.",
    "RVT-413": "The manifest speaks of a table that the warehouse lacks: it was never built, or for another target "
    "or schema.",
    "RVT-417": "The warehouse's driver comes with an extra: pip install 'revetl[snowflake]' or 'revetl[postgres]'.",
    "RVT-418": "The warehouse refuses the credentials of the profile. `dbt debug` tries the same ones.",
    "RVT-419": "The warehouse does not answer: a network, a VPN, a suspended account. Nothing was sent; try again "
    "later.",
    "RVT-420": "A mapped column is described in YAML but not in the table. Build the model again, or mend the name.",
    "RVT-430": "The tool lacks a field that a column goes to, or does not let it be written. `revetl debug "
    "--create-fields` makes what is missing, where the tool's API lets it.",
    "RVT-431": "The credentials open another account than the one that was synced so far: a sandbox's key in "
    "production, or the reverse. Nothing was sent.",
    "RVT-501": "The state of syncs (.revetl/) must be a directory of your own that nobody else can write to.",
    "RVT-502": "One run at a time works on a target, whatever started it. `revetl status` shows which; a scheduler "
    "may try again (exit 4). A lock goes with its process, however that ended.",
    "RVT-506": "The state was restored from a backup, or is a copy: it is older than what was sent. `revetl recover` "
    "sends everything in doubt again, under all guards.",
    "RVT-507": "This target was synced before and its state is gone. In CI, keep .revetl/ between runs, or share it "
    "(docs/shared-state.md). `revetl recover` begins anew.",
    "RVT-600": "The tool cannot be reached. Nothing was lost: what was not sent waits for the next run.",
    "RVT-601": "The tool refuses the key or token of this target. `revetl debug` tries it alone.",
    "RVT-602": "The account's allowance of calls is used up; the next run goes on when there is some again.",
    "RVT-605": "A call left and no answer came: whether it was applied is not known. The next run asks, or sends it "
    "again.",
    "RVT-203": "Models are as dbt read them last: what was changed in YAML since does not count yet. `dbt build` "
    "reads it, and so does `dbt parse`.",
    "RVT-800": "The command's module, or a package it needs, is not installed.",
    "RVT-802": "revetl init writes a first revetl.yml and never changes one. To begin anew, move it away.",
    "RVT-803": "A sync needs a model with a key: a column with dbt's tests unique and not_null, or a primary key "
    "constraint. Add the tests, then dbt parse.",
    "RVT-808": "The tool finds its people by e-mail address, and no column that the model's YAML lists looks like one. "
    "Name it with --match, list it in the YAML, or begin with another model or tool.",
    "RVT-804": "Nobody can be asked here (no terminal, or --no-input): say it on the command line, as the hint does.",
    "RVT-899": "A defect of revetl. The file named in the message has what its authors need; it may hold names of "
    "your tables, but no values and no secrets are put there on purpose.",
}
