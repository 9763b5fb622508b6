"""What a message of Amazon SQS says; anybody who reaches the queue may have sent it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any


def has_receipt(message: Any) -> bool:
    """Whether a message can be acknowledged. One that can not would be run again and again."""
    return isinstance(message, Mapping) and bool(message.get("ReceiptHandle"))


def message_field(table: Any, key: str) -> Any:
    """Look up what a message says; None where it does not."""
    return table.get(key) if isinstance(table, Mapping) else None


def parse_whole_number(text: Any) -> int:
    """Read a number of seconds, of milliseconds, or of times; 0 for what is none."""
    digits = text if isinstance(text, str) else ""
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 20 else 0


def server_time(reply: Mapping[str, Any]) -> float:
    """Read the clock of the service off its reply; ours where it does not tell."""
    headers = message_field(reply.get("ResponseMetadata"), "HTTPHeaders")
    try:
        return parsedate_to_datetime(message_field(headers, "date")).timestamp()
    except (TypeError, ValueError):
        return time.time()
