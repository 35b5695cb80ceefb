"""dbt and revetl as programs that start warm: what they import is imported once; each command is its own process.

dbt takes as long to start as to build the demo shop, revetl as long as to sync it. On ``path()`` stand programs of both
names that hand their words, folder, environment and open files to a server, which forks: all that is of one command
stays its own. Signals go on to the command, and it dies with who asked for it. What is about starting, dying or being
installed runs programs as they were installed: the demo, the tests of processes, the examples of orchestrators, the
matrix's bare environment.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MOST = 1 << 20  # bytes of words and environment
PROGRAMS = ("dbt", "revetl")
_CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talk:
    talk.connect({address!r})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: talk.send(str(number).encode()))
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)])
    socket.send_fds(talk, [told.encode()], [0, 1, 2])
    ended = int(talk.recv(8))
if ended < 0:
    signal.signal(-ended, signal.SIG_DFL)
    os.kill(os.getpid(), -ended)
sys.exit(ended)
"""


def path() -> str:
    """Return where programs are looked for: those that start warm first, then what stands beside this Python."""
    return os.pathsep.join([str(folder()), str(Path(sys.executable).parent), os.environ["PATH"]])


def fits(env: Mapping[str, str]) -> bool:
    """Return whether a program of this environment may start warm: what Python reads when it starts is the same."""
    names = {name for name in {*env, *os.environ} if name.startswith(("PYTHON", "LC_", "LANG", "COVERAGE_"))}
    return all(env.get(name) == os.environ.get(name) for name in names)


@functools.cache
def folder() -> Path:
    """Return the folder of the programs that start warm, of those that stand beside this Python.

    Their servers end with this process. Where coverage is measured it is empty, for a fork would measure nothing.
    """
    place = Path(tempfile.mkdtemp(prefix="revetl-warm-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    beside = Path(sys.executable).parent
    for name in PROGRAMS:
        if (beside / name).exists() and "COVERAGE_PROCESS_CONFIG" not in os.environ:
            _start(name, place)
    return place


def _start(name: str, place: Path) -> None:
    address = str(place / f"{name}.socket")
    pipe = subprocess.PIPE
    server = subprocess.Popen(
        [sys.executable, __file__, name, address], cwd=place, stdin=pipe, stdout=pipe, start_new_session=True
    )
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline() == b"warm\n"
    (place / name).write_text(_CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    (place / name).chmod(0o755)


def serve(name: str, address: str) -> None:
    """Answer each client by a process of its own, until standard input ends; return where it is to be ``name``."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those processes ended
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("warm\n")
        sys.stdout.flush()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            talk = listener.accept()[0]
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _stand_for(talk, name)
                return
            talk.close()
    sys.exit()


def _stand_for(talk: socket.socket, name: str) -> None:
    """Become what the client asked for, or wait for it and tell the client how it ended."""
    told, files, _, _ = socket.recv_fds(talk, MOST, 3)
    child = os.fork()
    if child:
        _watch(talk, child)
        os._exit(0)
    talk.close()
    words, place, env = json.loads(told)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.chdir(place)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [name, *words]


def _watch(talk: socket.socket, child: int) -> None:
    """Hand the client's signals on to the child, kill it when the client is gone, and tell the client how it ended."""
    ended = os.pidfd_open(child)
    while ended not in select.select([talk.fileno(), ended], [], [])[0]:
        number = talk.recv(8)
        os.kill(child, int(number) if number else signal.SIGKILL)
        if not number:
            return
    with suppress(OSError):  # the client is gone by now
        talk.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _dbt() -> None:
    from dbt.cli.main import cli
    from dbt_common.invocation import reset_invocation_id

    reset_invocation_id()
    cli()


def _revetl() -> None:
    from revetl.cli import main

    main()


def _import(program: str) -> None:
    """Import what the program imports sooner or later."""
    if program == "dbt":
        names = ["dbt.cli.main", "dbt_common.invocation", "dbt.adapters.duckdb"]
    else:
        import revetl

        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # as main() does
        found = (module.name for module in pkgutil.walk_packages(revetl.__path__, "revetl."))
        names = [name for name in found if not name.startswith("revetl.testing") and not name.endswith("__main__")]
    for name in names:
        with suppress(ImportError):  # of what is an extra
            importlib.import_module(name)
    if program == "dbt":
        _rehearse()


def _rehearse() -> None:
    """Let dbt parse the shop once: half of a small project's parsing is making what it checks its own classes by."""
    from dbt.cli.main import dbtRunner

    with tempfile.TemporaryDirectory() as place:
        shop = str(Path(place, "shop"))
        shutil.copytree(Path(__file__).parents[2] / "dbt_project", shop)
        # threads of the static parser would be missing in every fork
        words = ["--quiet", "--no-static-parser", "parse", "--project-dir", shop, "--profiles-dir", shop]
        dbtRunner().invoke(words)


def main() -> None:
    """Import a program, wait for its commands, and be each of them."""
    name, address = sys.argv[1:]
    sys.path.pop(0)  # this folder: programs must not find what lies here
    _import(name)
    serve(name, address)
    {"dbt": _dbt, "revetl": _revetl}[name]()


if __name__ == "__main__":
    main()
