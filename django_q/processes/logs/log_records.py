"""Pack log records for another process: plain values, and tracebacks that are rebuilt there."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from django_q.exceptions import contain_error
from django_q.text.error_text import safe_repr, safe_str

#: Values of these types are sent as they are. Each other value is pickled on its own, and replaced
#: by its ``repr`` where it can not be unpickled.
PLAIN_VALUE_TYPES = frozenset({str, int, float, bool, type(None)})
#: Errors of a chain, and frames of a traceback, that are sent at most.
MAX_CHAINED_ERRORS, MAX_TRACEBACK_FRAMES = 10, 100
#: Raises ``error``; run with another file, name and line, it yields a frame of that place.
RAISE_CODE = compile("raise error", "", "exec")


@dataclass
class PackedValue:
    """A pickled value, which the receiving process may be unable to unpickle."""

    data: bytes
    text: str  # its repr

    def unpacked(self) -> Any:
        """Unpickle the value, or return its ``repr`` where that fails."""
        try:
            return pickle.loads(self.data)
        except BaseException as error:
            contain_error(error)
            return self.text


@dataclass
class PackedError:
    """An exception, with its traceback, cause and context, which ``pickle`` leaves out."""

    value: Any
    kind: tuple[str, str]  # module and name of its class
    text: str
    #: File, line, name and module of each frame.
    frames: list[tuple[str, int, str, str]] = field(default_factory=list)
    cause: PackedError | None = None
    context: PackedError | None = None
    suppress_context: bool = False

    def unpacked(self) -> BaseException:
        """Rebuild the exception, with a stand-in of the same name if its class is unknown here."""
        error = unpacked_value(self.value)
        if not isinstance(error, BaseException):
            module, name = self.kind
            error = type(name, (Exception,), {"__module__": module})(self.text)
        error.__cause__ = self.cause.unpacked() if self.cause else None
        error.__context__ = self.context.unpacked() if self.context else None
        error.__suppress_context__ = self.suppress_context
        return error.with_traceback(traceback_of(self.frames))


def packed(record: logging.LogRecord) -> dict[str, Any]:
    """Turn a record into a dictionary that any process can unpickle."""
    fields = dict(record.__dict__)
    is_usual = type(record) is logging.LogRecord and type(fields["msg"]) is str
    if not (is_usual and is_plain(fields["args"])):
        fields["msg"], fields["args"] = text_of(record), None
    if error := fields.get("exc_info"):
        fields["exc_info"] = packed_error(error[1]) if error[1] is not None else None
    for name, value in fields.items():
        if type(value) not in PLAIN_VALUE_TYPES and name not in ("args", "exc_info"):
            fields[name] = packed_value(value)
    return fields


def unpacked(fields: dict[str, Any]) -> logging.LogRecord:
    """Rebuild a record from its dictionary."""
    record = logging.LogRecord.__new__(logging.LogRecord)  # no __init__: all fields are given
    record.__dict__.update((name, unpacked_value(value)) for name, value in fields.items())
    if isinstance(record.exc_info, PackedError):
        error = record.exc_info.unpacked()
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def is_plain(args: Any) -> bool:
    """Whether the arguments of a message can be sent as they are."""
    if isinstance(args, dict):
        args = (*args, *args.values())
    return args is None or all(type(each) in PLAIN_VALUE_TYPES for each in args)


def text_of(record: logging.LogRecord) -> str:
    """Format a message; where it does not fit its arguments, return the ``repr`` of both."""
    try:
        return record.getMessage()
    except BaseException as error:
        contain_error(error)
        return f"{safe_repr(record.msg)} {safe_repr(record.args)}"


def packed_value(value: Any) -> Any:
    """Pickle a value on its own, so that the record can be read even where the value can not."""
    text = safe_repr(value)
    try:
        return PackedValue(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), text)
    except BaseException as error:
        contain_error(error)
        return text


def unpacked_value(value: Any) -> Any:
    """Unpack a value, if it is packed."""
    return value.unpacked() if type(value) is PackedValue else value


def packed_error(error: BaseException | None, depth: int = 0) -> PackedError | None:
    """Pack an exception with its traceback, and the errors that it is chained to."""
    if error is None or depth > MAX_CHAINED_ERRORS:
        return None
    kind = type(error)
    text = safe_str(error)
    return PackedError(
        packed_value(error),
        (kind.__module__, kind.__qualname__),
        text,
        frames_of(error.__traceback__),
        packed_error(error.__cause__, depth + 1),
        packed_error(error.__context__, depth + 1),
        error.__suppress_context__,
    )


def frames_of(trace: TracebackType | None) -> list[tuple[str, int, str, str]]:
    """List file, line, function and module of the last frames of a traceback."""
    frames = []
    while trace:
        code, module = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__"))
        frames.append((code.co_filename, trace.tb_lineno or 0, code.co_name, module))
        trace = trace.tb_next
    return frames[-MAX_TRACEBACK_FRAMES:]


def traceback_of(frames: list[tuple[str, int, str, str]]) -> TracebackType | None:
    """Build a traceback through these frames, without their variables."""
    trace = None
    for file, line, name, module in reversed(frames):
        code = RAISE_CODE.replace(co_filename=file, co_name=name, co_firstlineno=max(1, line))
        try:
            exec(code, {"__name__": module, "__file__": file, "error": LookupError()})
        except LookupError as raised:
            frame = raised.__traceback__.tb_next.tb_frame  # type: ignore[union-attr]
            # -1 is the number of no instruction: else Python marks a part of the line, found by the
            # instructions of RAISE_CODE.
            trace = TracebackType(trace, frame, -1, line)
    return trace
