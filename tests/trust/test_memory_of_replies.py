"""A reply of any size costs no more memory than its cap."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest

ASK = """
import resource, ssl, sys
from revetl.contract import Http
from revetl.send.http import HttpCarrier
from tests.unit.send.stand import lane

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

shop = lane(origin=sys.argv[1], timeout=60.0)
carrier, before = HttpCarrier(ssl.create_default_context()), most()
failure = carrier.perform(shop, Http("POST", "/rows", content=b"{}", origin=sys.argv[1]))
print(failure.code, most() - before, shop.max_decoded)
"""
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n\r\n"
MANY = 1_000


def bomb() -> Iterable[bytes]:
    """Yield a reply of a few hundred kilobytes that decodes to 400 MB."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return (GZIP, *(packer.compress(b"\0" * 4_000_000) for _ in range(100)), packer.flush())


def flood() -> Iterable[bytes]:
    """Yield a reply without an end, or nearly: 64 MB as they are."""
    return (b"HTTP/1.1 200 OK\r\n\r\n", *[b" " * 65_536] * MANY)


@contextmanager
def answering(reply: Iterable[bytes]) -> Iterator[str]:
    """Answer one request with ``reply`` for the block; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError), server.accept()[0] as peer:  # whoever asks hangs up
                peer.recv(65_536)
                for piece in reply:
                    peer.sendall(piece)
                while peer.recv(65_536):  # until whoever asks has enough
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(timeout=30)


@pytest.mark.parametrize("reply", [bomb, flood])
def test_no_reply_costs_more_than_its_cap(
    reply: Callable[[], Iterable[bytes]], record_property: Callable[[str, object], None]
) -> None:
    """In a process of its own, the most memory there ever was grows by less than the cap of 64 MB and a quarter."""
    with answering(reply()) as address:
        done = subprocess.run(
            [sys.executable, "-c", ASK, address], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    code, grown, cap = done.stdout.split()
    assert code == "RVT-607"
    assert int(grown) < int(cap) * 1.25
    record_property("megabytes", int(grown) // 1_000_000)
