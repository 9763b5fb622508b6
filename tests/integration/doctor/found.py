"""What a subject finds, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django_q.doctor.findings.finding import Finding


def found(examine: Callable[[], Iterable[Finding]]) -> dict[str, Finding]:
    """Examine a subject: the findings by their ids, each with a sentence, and with a cure."""
    findings = {finding.id: finding for finding in examine()}
    assert all(each.found and (each.cure or each.level == "info") for each in findings.values())
    return findings
