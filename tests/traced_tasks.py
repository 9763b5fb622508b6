"""A task that sets up OpenTelemetry in the worker that runs it, as an app of a project does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

#: Milliseconds after which collected spans are sent: longer than a test.
DELAY_MS = 600_000


class FileExporter(SpanExporter):
    """Writes the names and the traces of spans to a file."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans."""
        with self.file.open("a", encoding="utf-8") as file:
            for span in spans:
                file.write(f"{span.name} {span.context.trace_id:032x}\n")
        return SpanExportResult.SUCCESS


def set_up(file: str) -> None:
    """Have spans collected, and written to a file much later."""
    provider = TracerProvider()
    processor = BatchSpanProcessor(FileExporter(file), schedule_delay_millis=DELAY_MS)
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
