"""Every error revetl raises on purpose, grouped by what to do next.

    RevetlError
    ├── UsageError        exit 2   the command line asks for something that cannot be
    ├── ConfigError       exit 2   revetl.yml, meta or profiles.yml must be changed
    ├── ManifestError     exit 2   dbt's artefacts are missing, unreadable or unknown
    ├── StateError        exit 2   revetl's own files cannot be trusted or written
    ├── DestinationError  exit 2   a destination refuses the credentials or the account
    ├── GuardError        exit 3   a guard stopped everything there was to do
    └── TryLater          exit 4   a lock, a quota, a destination or a warehouse that is down

Codes: 1xx usage and configuration, 2xx dbt artefacts, 3xx meta and mapping, 4xx warehouse, 5xx state and ledger,
6xx sending and destinations, 7xx guards, 8xx commands. ``CATALOG`` names each one; a test keeps it complete.
"""

from __future__ import annotations

__all__ = [
    "CATALOG",
    "ConfigError",
    "DestinationError",
    "GuardError",
    "ManifestError",
    "RevetlError",
    "StateError",
    "TryLater",
    "UsageError",
]


CATALOG: dict[str, str] = {
    # 1xx usage and configuration
    "RVT-100": "Command line cannot be used as given",
    "RVT-101": "revetl.yml is missing",
    "RVT-102": "revetl.yml cannot be read",
    "RVT-103": "revetl.yml does not fit its schema",
    "RVT-104": "An environment variable is not set",
    "RVT-105": "Braces hold something other than env_var",
    "RVT-106": "A destination's settings do not fit",
    "RVT-107": "A destination does not name the target",
    "RVT-110": "A selection matches nothing",
    "RVT-111": "A selection uses an unknown method",
    "RVT-112": "A selection cannot be read",
    "RVT-113": "A selection needs something to compare with that was not given",
    "RVT-120": "revetl.yml has an unknown key",
    "RVT-121": "A secret stands in revetl.yml itself",
    "RVT-122": "A name in revetl.yml cannot be used",
    "RVT-123": "A group names something that is no destination",
    "RVT-124": "A destination has an unknown type",
    "RVT-125": "No destination names the target",
    "RVT-126": "The proxy or the authorities of the network cannot be used",
    "RVT-130": "A file of cases cannot be used",
    "RVT-131": "A value in a case does not fit its column",
    "RVT-132": "There is no case to try",
    "RVT-133": "The project that cases are about has errors",
    # 2xx dbt artefacts
    "RVT-200": "manifest.json is missing",
    "RVT-201": "A dbt artefact cannot be read",
    "RVT-202": "A dbt artefact has an unknown schema version",
    "RVT-203": "YAML was changed after dbt wrote its manifest",
    # 3xx meta and mapping
    "RVT-300": "revetl's meta does not fit its schema",
    "RVT-301": "revetl's meta has an unknown key",
    "RVT-302": "`to` names something unknown",
    "RVT-303": "A column is not in the model",
    "RVT-304": "Two columns go into one field",
    "RVT-305": "A sync has no match",
    "RVT-306": "The match property does not name the destination",
    "RVT-307": "Personal data without allow_pii",
    "RVT-308": "A model cannot be read: ephemeral or disabled",
    "RVT-309": "A model of another entity",
    "RVT-310": "An entity has no base model, or two",
    "RVT-311": "A key does not fit the entity's key",
    "RVT-312": "A column's meta stands in two places",
    "RVT-313": "A mapped column in a model without kind",
    "RVT-314": "A destination without a sync of the entity",
    "RVT-315": "Two groups disagree about a column",
    "RVT-320": "A destination has no such object",
    "RVT-321": "A cohort style is unknown to the object",
    "RVT-322": "A leave policy is unsupported",
    "RVT-323": "Deleting without allow_delete",
    "RVT-324": "A mode is unsupported",
    "RVT-325": "Required fields are not mapped",
    "RVT-326": "A cohort's label cannot be used",
    "RVT-327": "A constant goes into a mapped field",
    "RVT-328": "The audience names something that is no cohort of the entity",
    "RVT-329": "An entity without a model",
    "RVT-330": "A link is unknown to the object",
    "RVT-331": "A link's target is not clear",
    "RVT-332": "A link cannot be made of its columns",
    "RVT-333": "A membership field cannot be carried",
    "RVT-334": "Consent cannot be withdrawn as asked",
    "RVT-335": "A write rule is unsupported",
    "RVT-336": "A column cannot be hashed as asked",
    "RVT-340": "A source is used, and nothing tests it",
    "RVT-341": "A column looks personal and carries no tag",
    "RVT-342": "A column is not described in YAML",
    "RVT-343": "A personal column lost its tag on the way",
    "RVT-350": "A policy denies a flow",
    "RVT-351": "A policy lets data go only elsewhere",
    "RVT-352": "What leaves is not described",
    "RVT-353": "A model that leaves has no owner",
    "RVT-354": "A key is not tested",
    "RVT-355": "A model that leaves has no contract",
    "RVT-356": "A model's access is not what the policy wants",
    "RVT-357": "More new fields than the policy allows",
    "RVT-358": "A policy names nobody",
    "RVT-390": "Not there yet",
    "RVT-391": "Something is mapped no more and stays at the destination",
    "RVT-392": "Data newly leave",
    "RVT-393": "Data stop leaving",
    "RVT-394": "Rows are sent again",
    "RVT-395": "A model behind a flow is written otherwise",
    "RVT-396": "A rule of a flow is another",
    # 4xx warehouse
    "RVT-400": "dbt_project.yml cannot be used",
    "RVT-401": "profiles.yml is missing",
    "RVT-402": "profiles.yml cannot be read",
    "RVT-403": "A profile or target is not in profiles.yml",
    "RVT-404": "This warehouse is not supported yet",
    "RVT-405": "The database of the profile cannot be opened from here",
    "RVT-410": "The database file is missing",
    "RVT-411": "The database is being written by another process",
    "RVT-412": "The database file cannot be opened",
    "RVT-413": "A relation is not in the database",
    "RVT-414": "A relation cannot be read",
    "RVT-415": "A relation lies in a database that the target does not open",
    "RVT-416": "A database setting is refused",
    "RVT-417": "A warehouse's driver is not installed",
    "RVT-418": "A warehouse refuses the credentials",
    "RVT-419": "A warehouse cannot be reached",
    "RVT-420": "A mapped column is not in the model's relation",
    "RVT-421": "A column's type cannot be a key",
    "RVT-422": "A column's type cannot be carried by the destination",
    "RVT-423": "A sync's models cannot be compared with its snapshot",
    "RVT-424": "The consent column is no boolean",
    "RVT-430": "Mapped fields do not exist at the destination or cannot be written",
    "RVT-431": "The credentials open another account than the sync's",
    "RVT-432": "A destination refuses to make a mapped field",
    "RVT-433": "The warehouse cannot be written to",
    # 5xx state and ledger
    "RVT-501": "The state directory is not safe to use",
    "RVT-502": "Another run holds the target",
    "RVT-503": "The head record cannot be read",
    "RVT-504": "The state file cannot be opened",
    "RVT-505": "A newer revetl wrote the state",
    "RVT-506": "The state is older than its head record",
    "RVT-507": "The state is missing although the target was synced before",
    "RVT-508": "There is no ledger yet",
    "RVT-509": "The ledger's key is unusable",
    "RVT-510": "A database file cannot be read or written",
    "RVT-511": "Another process holds the state file",
    "RVT-512": "The lease of a shared state was lost",
    "RVT-513": "The owner of a shared state cannot be reached",
    "RVT-514": "The owner of a shared state refuses access",
    "RVT-515": "The owner of a shared state refuses a statement",
    "RVT-516": "A state cannot lie there",
    "RVT-517": "The place of the ledger or of the witness cannot be used",
    "RVT-518": "The place of the ledger or of the witness cannot be reached",
    "RVT-519": "A shared state without a shared ledger key",
    "RVT-520": "The state is another target's",
    "RVT-521": "The ledger cannot be read",
    "RVT-522": "The ledger's chain cannot be read now",
    "RVT-523": "The ledger cannot be exported there",
    "RVT-524": "Another copy of the state is at work",
    "RVT-532": "The ledger's key is another one than before",
    "RVT-533": "An encrypted ledger needs a library",
    "RVT-534": "There is nothing that says how long the ledger is kept",
    "RVT-535": "The ledger's key cannot be changed like that",
    "RVT-536": "The file of who is forgotten cannot be read",
    "RVT-537": "Fewer people are forgotten than there must be",
    "RVT-538": "A key is missing without which who is forgotten is not recognised",
    "RVT-539": "A receipt is not as it was signed",
    # 6xx sending and destinations
    "RVT-600": "A destination cannot be reached",
    "RVT-601": "A destination refuses the credentials or the account",
    "RVT-602": "A destination's quota is spent",
    "RVT-603": "A destination keeps turning calls away",
    "RVT-604": "A destination fails",
    "RVT-605": "The answer to a call was lost",
    "RVT-606": "An answer cannot be read",
    "RVT-607": "An answer is larger than allowed",
    "RVT-608": "A redirect was not followed",
    "RVT-609": "A call would have gone to a host that is not allowed",
    "RVT-610": "The deadline has passed",
    "RVT-611": "The run was stopped",
    "RVT-612": "An earlier operation of the same key did not go through",
    "RVT-613": "An identity may still belong to a record whose change did not go through",
    "RVT-614": "A refused batch was not halved any further",
    "RVT-615": "Less proof than the destination declares",
    "RVT-616": "A change was left without an outcome",
    "RVT-617": "A job is still running at the destination",
    "RVT-618": "A destination's module broke its contract",
    "RVT-619": "An access token cannot be had",
    "RVT-620": "A file cannot be written",
    "RVT-621": "A destination asks to wait longer than the run may",
    "RVT-622": "A channel could not be told what changed",
    "RVT-623": "A telemetry service was not told of a run",
    "RVT-650": "A destination's module cannot be loaded",
    "RVT-651": "A destination does not do what a sync needs",
    "RVT-652": "A list there cannot be written",
    "RVT-680": "There is no stand-in of that name",
    "RVT-681": "A stand-in has no such option",
    "RVT-682": "The stand-ins did not start",
    "RVT-683": "A rehearsal's state cannot be read",
    "RVT-684": "The stand-ins cannot serve there",
    # 7xx guards
    # 8xx commands
    "RVT-800": "A command is not part of this installation",
    "RVT-801": "An option's value cannot be read",
    "RVT-802": "revetl.yml is there already",
    "RVT-803": "No model has a key to start with",
    "RVT-804": "A question has nobody to answer it",
    "RVT-805": "There is no such error code",
    "RVT-806": "There is nothing to compare with",
    "RVT-807": "There is nothing of another tool to draft from",
    "RVT-808": "No column says who a record is at the destination",
    "RVT-809": "A file was changed while revetl was about to change it",
    "RVT-810": "A file cannot take exposures",
    "RVT-850": "A question names no sync and no destination",
    "RVT-851": "A time cannot be read",
    "RVT-852": "A key cannot be read",
    "RVT-853": "Nobody is known by a key or an identity",
    "RVT-854": "A key stands for several entities",
    "RVT-855": "A job at a destination still carries a person",
    "RVT-856": "A lost request about a person may still arrive",
    "RVT-857": "A person cannot be erased at every destination from here",
    "RVT-858": "A schema's name cannot be used",
    "RVT-860": "Nothing orphaned has that name",
    "RVT-861": "A whole sync is gone: nothing says how to clear it",
    "RVT-862": "A span of time cannot be used",
    "RVT-863": "There is no such guard",
    "RVT-864": "There is no such sync or cohort",
    "RVT-865": "An approval lacks a bound or a reason",
    "RVT-866": "There is no state to recover",
    "RVT-867": "A refusal that is approved is not known",
    "RVT-870": "The demo needs dbt",
    "RVT-871": "dbt failed in the demo",
    "RVT-872": "The demo does not write there",
    "RVT-873": "The demo's project is not as it ships",
    "RVT-874": "The demo did not go as it tells",
    "RVT-880": "There is no such entity, or nothing of it in state",
    "RVT-881": "The model does not say which key stands for which",
    "RVT-882": "Keys in state have no counterpart in the model",
    "RVT-883": "A job at a destination still carries records",
    "RVT-890": "A name is no sync of the target",
    "RVT-891": "A destination cannot be read back",
    "RVT-892": "A sync that has a snapshot cannot be adopted",
    "RVT-893": "A model cannot be adopted as it is",
    "RVT-899": "Something unexpected happened",
}


class RevetlError(Exception):
    """Something went wrong that a person can mend: a code, what happened, what was kept, what to type next."""

    exit_code = 2

    def __init__(self, code: str, what: str, *, kept: str = "", hint: str = "") -> None:
        """Make an error of ``code`` (a key of CATALOG)."""
        super().__init__(what)
        self.code = code
        self.what = what
        self.kept = kept
        self.hint = hint

    def __str__(self) -> str:
        """Return the whole message on one line."""
        parts = [f"{self.code} {self.what}", self.kept, f"hint: {self.hint}" if self.hint else ""]
        return " · ".join(part for part in parts if part)


class UsageError(RevetlError):
    """The command line asks for something that cannot be."""


class ConfigError(RevetlError):
    """revetl.yml, meta or profiles.yml must be changed."""


class ManifestError(RevetlError):
    """dbt's artefacts are missing, unreadable or of an unknown version."""


class StateError(RevetlError):
    """revetl's own files cannot be trusted or written."""


class DestinationError(RevetlError):
    """A destination refuses the credentials, the account or the request as a whole."""


class GuardError(RevetlError):
    """A guard stopped everything there was to do."""

    exit_code = 3


class TryLater(RevetlError):
    """A lock is held, a quota is spent, a destination or warehouse is down: the same command may work later."""

    exit_code = 4
