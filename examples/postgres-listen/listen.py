"""Hands the keys that Postgres notifies of to a command, such as ``revetl sync --keys -``, one a line.

    python listen.py "host=… dbname=shop" customer_changed revetl sync -s entity:customer

Postgres keeps no notification for somebody who does not listen. So the command runs once without ``--keys`` as soon as
the channel is listened to, for what changed before; from then on with the keys of the last moments.
"""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing

import psycopg2

GATHER = 0.5  # seconds: keys that come together go together
DONE = {0, 1, 3}  # exit codes of revetl after which state keeps what is left
TRY_LATER, PAUSE = 4, 30.0  # that of a lock, a quota, something that is down; and how long to wait then


def main(address: str, channel: str, command: Sequence[str]) -> None:
    """Listen until the connection ends, which is for whoever runs this to begin again."""
    with closing(psycopg2.connect(address)) as con:
        con.autocommit = True
        con.cursor().execute(f'LISTEN "{channel}"')
        subprocess.run(command, check=False)  # noqa: S603 - it is what this program is started for
        keys: dict[str, None] = {}
        while True:
            wait(con, None if not keys else 0)
            time.sleep(GATHER)
            con.poll()
            keys |= dict.fromkeys(note.payload for note in con.notifies)
            con.notifies.clear()
            if keys and run(command, list(keys)):
                keys.clear()


def wait(con: psycopg2.extensions.connection, patience: float | None) -> None:
    """Return once the server says something, or after ``patience`` seconds."""
    select.select([con], [], [], patience)


def run(command: Sequence[str], keys: Sequence[str]) -> bool:
    """Run the command for some keys; return whether they are done with. What is rejected or in doubt, state keeps."""
    text = "\n".join(keys)
    done = subprocess.run([*command, "--keys", "-"], input=text, text=True, check=False)  # noqa: S603 - see above
    if done.returncode == TRY_LATER:
        time.sleep(PAUSE)
    elif done.returncode not in DONE:
        sys.exit(done.returncode)  # it cannot run: somebody must look
    return done.returncode in DONE


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
