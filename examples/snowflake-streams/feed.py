"""Takes the keys that Snowflake's streams noted, and hands them to a command such as ``revetl sync --keys -``.

    python feed.py connection.json revetl sync -s entity:customer

A stream moves on when a statement that changes a table reads from it. So its keys go into ``changed_customers`` in one
transaction, and out of there only when the command is done with them: a crash in between repeats them, and loses none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from snowflake import connector

STREAMS = {"raw_customers_stream": "id", "raw_orders_stream": "customer_id"}  # stream → its column with the key
DONE = {0, 1, 3}  # exit codes after which state keeps what is left; 4 means: later, with the same keys


def main(con: connector.SnowflakeConnection, command: Sequence[str]) -> int:
    """Run the command for the keys that there are, if any; return its exit code."""
    with con.cursor() as cursor:
        cursor.execute("BEGIN")
        for stream, key in STREAMS.items():
            cursor.execute(
                f"INSERT INTO changed_customers SELECT DISTINCT {key}, current_timestamp() FROM {stream}"  # noqa: S608
            )
        cursor.execute("COMMIT")
        cursor.execute("SELECT customer_id, max(noted_at) FROM changed_customers GROUP BY customer_id")
        keys = cursor.fetchall()
        if not keys:
            return 0
        text = "\n".join(str(key) for key, _ in keys)
        done = subprocess.run([*command, "--keys", "-"], input=text, text=True, check=False)  # noqa: S603 - this is what it is for
        if done.returncode in DONE:  # a key that was noted again meanwhile stays
            gone = "DELETE FROM changed_customers WHERE customer_id = %s AND noted_at <= %s"
            cursor.executemany(gone, keys)
        return done.returncode


if __name__ == "__main__":
    with connector.connect(**json.loads(Path(sys.argv[1]).read_text())) as made:
        sys.exit(main(made, sys.argv[2:]))
