"""Read messages of Amazon SQS with care: anybody who reaches the queue may have sent them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any


def has_receipt(message: Any) -> bool:
    """Return True if a message can be acknowledged: without that it would run again and again."""
    return isinstance(message, Mapping) and bool(message.get("ReceiptHandle"))


def message_field(table: Any, key: str) -> Any:
    """Look up a field of a message; None where it has none or is no table."""
    return table.get(key) if isinstance(table, Mapping) else None


def parse_whole_number(text: Any) -> int:
    """Parse a whole number, not negative; 0 for anything else."""
    digits = text if isinstance(text, str) else ""
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 20 else 0


def server_time(reply: Mapping[str, Any]) -> float:
    """Return the service's time from the headers of its reply; ours where it has none."""
    headers = message_field(reply.get("ResponseMetadata"), "HTTPHeaders")
    try:
        return parsedate_to_datetime(message_field(headers, "date")).timestamp()
    except (TypeError, ValueError):
        return time.time()
