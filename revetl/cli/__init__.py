"""The command line: ``main`` and a table of commands, each of which lives in a module of its own.

Only click is imported here, so that ``revetl --help`` costs no more than click does; a command's module is imported
when the command runs. A command's module holds a :class:`click.Command` named ``command`` (or named as the command).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import click

from revetl.heap import rarely_collected

__all__ = ["cli", "main"]

# name → what the list of commands says of it, in the order in which people meet them
COMMANDS: dict[str, str] = {
    "init": "Write revetl.yml and show the first lines of meta.",
    "debug": "Test project, warehouse, credentials and accounts.",
    "ls": "List syncs, properties and cohorts.",
    "check": "Validate meta and revetl.yml; --state shows what newly leaves.",
    "test": "Try cases: given these rows, these records and calls.",
    "plan": "Show what a sync would send.",
    "sync": "Send what changed to every destination.",
    "status": "Show last runs, backlog, what is held, rejected, orphaned.",
    "errors": "List rejected rows with reason and remedy.",
    "why": "Tell what a destination believed about a key, and why.",
    "log": "Search and export the record of all that left.",
    "export": "Tell everything about one person, for an access request.",
    "flows": "Draft a record of processing: what goes to whom.",
    "forget": "Erase a person at every destination, and never send them again.",
    "publish": "Bring tables of the warehouse in line with the record of what left.",
    "prune": "Take out of the record what is older than it is to be kept.",
    "rotate": "Give the record a new key for what it hides.",
    "verify": "Read destinations back and report what drifted.",
    "adopt": "Take what stands at a destination as sent.",
    "approve": "Let through what a guard holds.",
    "retire": "Settle what is no longer mapped.",
    "rekey": "Carry what is known of an entity over to another key.",
    "recover": "Rebuild trust in a state that was lost or restored.",
    "docs": "Build one page: what leaves, and where it goes.",
    "exposures": "Write one dbt exposure for each sync; --check for CI.",
    "sandbox": "Run local stand-ins of destinations for rehearsal.",
    "demo": "Walk through a whole sync on this machine.",
    "schema": "Show JSON Schemas of revetl.yml, meta and cases, for editors.",
    "explain": "Say what an error code means.",
}


class Commands(click.Group):
    """A group that imports a command's module when the command is asked for, and the one place that ends in errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the table's order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command; under ``revetl --help``, a shell's completion or a slip, nothing is imported.

        Raises:
            UsageError: RVT-800, the module is not part of this installation.
        """
        del ctx
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` name; where there is none, name the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(f"no such command: {args[0]}" + (f"; did you mean {near[0]}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands out of the table alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002
        **extra: Any,
    ) -> Any:
        """Run the command that ``args`` name, and exit with its code; errors end here and nowhere else."""

        def run() -> Any:
            with rarely_collected():
                return super(Commands, self).main(args, prog_name, complete_var, standalone_mode=False, **extra)

        code = guarded(run, tuple(sys.argv[1:] if args is None else args))
        if not standalone_mode:
            return code
        gc.freeze()  # what is left dies with the process: to look for cycles in it took a fifteenth of a check
        sys.exit(code)


def guarded(run: Callable[[], Any], words: Sequence[str]) -> int:
    """Return the exit code of ``run``, whatever way it ends; ``words`` is the command line."""
    try:
        code = run()
    except BrokenPipeError:
        code = _pipe_closed()
    except (Exception, click.exceptions.Abort) as error:  # noqa: BLE001 - the last place: a person sees a message, not a traceback
        from revetl.cli.faults import report

        code = report(error, words)
    return code if isinstance(code, int) else 0


def _pipe_closed() -> int:
    """Leave quietly when the reader of our output has gone, as other tools do: 128 + SIGPIPE."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is no real file: nothing is left that could complain
        return 141
    return 141


def _load(name: str) -> click.Command:
    from revetl.errors import UsageError

    try:
        module = import_module(f"revetl.cli.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"revetl.cli.{name}":
            raise UsageError(
                "RVT-800", f"revetl {name} needs the Python package {error.name}", hint=f"pip install {error.name}"
            ) from error
        raise UsageError(
            "RVT-800", f"revetl {name} is not part of this installation", hint="pip install --upgrade revetl"
        ) from None
    found = getattr(module, "command", None) or getattr(module, name, None)
    if not isinstance(found, click.Command):
        raise UsageError("RVT-800", f"revetl {name} cannot be run: its module holds no command")
    return found


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted and not ctx.resilient_parsing:
        from revetl.cli.versions import lines

        click.echo("\n".join(lines()))
        ctx.exit()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show versions, for a report too.",
)
def cli() -> None:
    """Make every connected tool agree with the models of a dbt project.

    Models say what leaves (meta in dbt's YAML), revetl.yml says where to and how. Exit codes: 0 done, 1 rejected or
    waiting rows, 2 cannot run, 3 a guard held something, 4 try later, 130/143 stopped by a signal.
    """


def main() -> None:
    """Run the command line of this process."""
    _without_core()
    # No plugin of pydantic's has a place here, and to look for them is to read the metadata of every package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    cli()


def _without_core() -> None:
    """Keep what this process has in memory, credentials among it, out of a file when it dies."""
    try:
        import resource
    except ImportError:  # Windows writes none
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
