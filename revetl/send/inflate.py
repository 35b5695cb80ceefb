"""Bodies read and decompressed with a cap on either side, never more in memory than the caps allow."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

_STEP = 1 << 16  # bytes that one turn of the decompressor may yield


class TooLarge(Exception):
    """A body passes its cap."""


class Garbled(Exception):
    """A body is not what its content-encoding says, or ends too early, or has an encoding that was not offered."""


def read_body(chunks: Iterable[bytes], encoding: str, max_raw: int, max_decoded: int) -> bytes:
    """Return the decoded body.

    Raises:
        TooLarge: more than ``max_raw`` bytes came, or they decode to more than ``max_decoded``.
        Garbled: the bytes cannot be decoded.
    """
    sink = _sink(encoding.strip().lower(), max_decoded)
    raw = 0
    for chunk in chunks:
        raw += len(chunk)
        if raw > max_raw:
            raise TooLarge(f"more than {max_raw} bytes")
        sink(chunk)
    return sink(None)


Sink = Callable[[bytes | None], bytes]  # takes chunks; None ends the body and returns all of it


def _sink(encoding: str, cap: int) -> Sink:
    if encoding in ("", "identity"):
        return _plain(cap)
    if encoding in ("gzip", "x-gzip"):
        return _inflating(zlib.MAX_WBITS | 16, cap)
    if encoding == "deflate":
        return _deflate(cap)
    raise Garbled("content-encoding that was not asked for")


def _plain(cap: int) -> Sink:
    parts: list[bytes] = []
    size = 0

    def take(chunk: bytes | None) -> bytes:
        nonlocal size
        if chunk is None:
            return b"".join(parts)
        size += len(chunk)
        if size > cap:
            raise TooLarge(f"more than {cap} bytes")
        parts.append(chunk)
        return b""

    return take


def _deflate(cap: int) -> Sink:
    """Decode zlib's format, or the bare stream that some servers send under the same name (RFC 9110, 8.4.1.2)."""
    inner: Sink | None = None

    def take(chunk: bytes | None) -> bytes:
        nonlocal inner
        if inner is None and chunk:
            inner = _inflating(zlib.MAX_WBITS if chunk[0] & 0x0F == 8 else -zlib.MAX_WBITS, cap)
        return inner(chunk) if inner is not None else b""

    return take


def _inflating(wbits: int, cap: int) -> Sink:
    out = bytearray()
    decoder = zlib.decompressobj(wbits)

    def take(chunk: bytes | None) -> bytes:
        if chunk is None:
            if out and not decoder.eof:
                raise Garbled("compressed body ends too early")
            return bytes(out)
        while chunk:
            try:
                out.extend(decoder.decompress(chunk, _STEP))
            except zlib.error:
                raise Garbled("compressed body is damaged") from None
            if len(out) > cap:
                raise TooLarge(f"more than {cap} bytes after decompression")
            chunk = decoder.unconsumed_tail
        return b""

    return take
