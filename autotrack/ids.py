"""Identifiers of jobs and strands: random, short, and usable by prefix from the first character."""

from __future__ import annotations

import os

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no i, l, o, u."""
LENGTH = 13


def new_id() -> str:
    """65 random bits from the operating system; the random module's state is the user's."""
    return _written(os.urandom(9))


def id_of(text: str) -> str:
    """The id that several processes make of what they all know."""
    import hashlib

    return _written(hashlib.blake2b(text.encode(), digest_size=9).digest())


def _written(bits: bytes) -> str:
    number = int.from_bytes(bits, "big")
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(LENGTH))
