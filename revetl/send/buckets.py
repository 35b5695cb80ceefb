"""Files in an object store, each as a whole object: S3 and what speaks as it does, Google Cloud Storage.

Source: https://arrow.apache.org/docs/python/filesystems.html (credentials are those of the environment, as the clouds'
own tools find them; a URL's query has what is not usual: ``region``, ``endpoint_override``, ``scheme``).
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from revetl.send.wire import Failure

_CODE = re.compile(r"AWS Error ([A-Z_]+)")
_FINAL = re.compile(r"DENIED|INVALID_ACCESS|SIGNATURE|UNRECOGNIZED_CLIENT|NO_SUCH_BUCKET|VALIDATION|FORBIDDEN")


class Buckets:
    """Keeps one client for each URL."""

    def __init__(self) -> None:
        """Begin without any."""
        self._open: dict[str, tuple[Any, str]] = {}

    def put(self, url: str, name: str, content: bytes) -> Failure | None:
        """Store ``content`` under ``name`` below ``url``: who reads finds the old object, the new one, or none."""
        try:
            files, root = self._open.get(url) or self._client(url)
            out = files.open_output_stream(f"{root.rstrip('/')}/{name}")
            out.write(content)
            out.close()  # only now is it there; a write that failed never gets here
        except (OSError, ValueError, ImportError) as error:
            return _failure(error, name)
        return None

    def _client(self, url: str) -> tuple[Any, str]:
        made: tuple[Any, str] = import_module("pyarrow.fs").FileSystem.from_uri(url)
        self._open[url] = made
        return made


def _failure(error: Exception, name: str) -> Failure:
    """Return what an error means. Its own words may name keys of the account: the code alone is shown."""
    found = _CODE.search(str(error))
    code = found[1] if found else type(error).__name__
    missing = isinstance(error, FileNotFoundError | ValueError | ImportError)
    if missing or _FINAL.search(code):
        return Failure("RVT-620", f"PUT {name}: the object store refuses it ({code})", again=False, fatal=True)
    return Failure("RVT-604", f"PUT {name}: the object store does not answer as it should ({code})")
