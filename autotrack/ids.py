"""Identifiers of jobs and strands: random, short, and usable by prefix from the first character."""

from __future__ import annotations

import os

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no i, l, o, u."""
LENGTH = 13


def new_id() -> str:
    """65 random bits from the operating system; the random module's state is the user's."""
    number = int.from_bytes(os.urandom(9), "big")
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(LENGTH))
