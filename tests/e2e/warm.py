"""dbt as a program that starts warm: what it imports is imported once for many commands, each in a process of its own.

dbt takes as long to start as to build the demo shop. On ``path()`` stands a ``dbt`` that hands its words, folder,
environment and open files to a server, which forks: all that is of one command stays its own. The demo, the examples
of orchestrators and the matrix's bare environment run dbt as it was installed.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

MOST = 1 << 20  # bytes of words and environment
_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talk:
    talk.connect({address!r})
    told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)])
    socket.send_fds(talk, [told.encode()], [0, 1, 2])
    sys.exit(int(talk.recv(8)))
"""


def path() -> str:
    """Return where programs are looked for: the warm ``dbt`` first, then what stands beside this Python."""
    found = program()
    return os.pathsep.join([*([str(found)] if found else []), str(Path(sys.executable).parent), os.environ["PATH"]])


@functools.cache
def program() -> Path | None:
    """Return the folder of the warm ``dbt``, if dbt stands beside this Python; its server ends with this process."""
    if not (Path(sys.executable).parent / "dbt").exists():
        return None
    folder = Path(tempfile.mkdtemp(prefix="revetl-dbt-"))
    address = str(folder / "socket")
    pipe = subprocess.PIPE
    command = [sys.executable, __file__, address]
    server = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, start_new_session=True)
    atexit.register(server.communicate)
    assert server.stdout is not None
    assert server.stdout.readline() == b"warm\n"
    (folder / "dbt").write_text(_CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    (folder / "dbt").chmod(0o755)
    return folder


def serve(address: str) -> None:
    """Answer each client by a process of its own, until standard input ends; return in those that are to be dbt."""
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
                _stand_for(talk)
                return
            talk.close()
    shutil.rmtree(Path(address).parent)
    sys.exit()


def _stand_for(talk: socket.socket) -> None:
    """Become what the client asked for, or wait for it and tell the client how it ended."""
    told, files, _, _ = socket.recv_fds(talk, MOST, 3)
    child = os.fork()
    if child:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        talk.send(str(ended if ended >= 0 else 128 - ended).encode())
        os._exit(0)
    talk.close()
    words, place, env = json.loads(told)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(place)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["dbt", *words]


def main() -> None:
    """Import dbt, wait for commands, and be each of them."""
    from dbt.cli.main import cli
    from dbt_common.invocation import reset_invocation_id

    with suppress(ImportError):
        importlib.import_module("dbt.adapters.duckdb")

    sys.path.pop(0)  # this folder: dbt must not find what lies here
    serve(sys.argv[1])
    reset_invocation_id()
    cli()


if __name__ == "__main__":
    main()
