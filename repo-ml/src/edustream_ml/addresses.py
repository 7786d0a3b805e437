"""Addresses as they may be shown: in a terminal, and so in the log of a job."""

from __future__ import annotations

import re
from urllib.parse import unquote


def shown_address(address: str) -> str:
    """An address without user, password, query and fragment: all that is before the last @ is taken for secret."""
    scheme, separator, rest = address.partition("://")
    shown = rest.rpartition("@")[2] if separator else scheme
    return f"{scheme if separator else ''}{separator}{re.split('[?#]', shown)[0]}"


def without_secrets(text: str, address: str) -> str:
    """A text that may repeat `address`, without what `shown_address` leaves out of it."""
    text = text.replace(address, shown_address(address))
    user, _, place = address.partition("://")[2].rpartition("@")
    query = re.split("[?#]", place, maxsplit=1)[1:]
    for secret in (user, user.partition(":")[2], *query):
        for spelt in (secret, unquote(secret)):
            text = text.replace(spelt, "***") if spelt else text
    return text
