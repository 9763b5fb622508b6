"""Metrics as text: read by the parsers of prometheus-client, in both formats."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as older_format

from django_q.metrics.exposition.families import COUNTER, INFO, MEASURE, Families
from django_q.metrics.exposition.text_format import exposition

#: Whatever can be the name of a queue.
STRANGE = 'a"b\\c\nd{e}=,é'


def strange_families():
    families = Families(
        ("build", INFO, "The release."),
        ("age_seconds", MEASURE, 'How "old"\nit is, or \\n.'),
        ("failed", COUNTER, "Runs."),
        ("nothing", MEASURE, "Has no value."),
    )
    families["build"].add(1, version="2.0")
    families["age_seconds"].add(1.5, queue=STRANGE)
    families["age_seconds"].add(None, queue="unknown")
    families.add({"queue": "mail"}, [("failed", 2**40), ("age_seconds", 0)])
    return families.as_list()


def parsed(parser, accept=""):
    body = exposition(strange_families(), accept).body.decode()
    return {family.name: family for family in parser(body)}


def test_openmetrics_is_read_as_it_was_meant():
    found = parsed(openmetrics)

    assert {name: family.type for name, family in found.items()} == {
        "django_q_build": "info",
        "django_q_age_seconds": "gauge",
        "django_q_failed": "counter",
        "django_q_nothing": "gauge",
    }
    assert found["django_q_age_seconds"].unit == "seconds"
    assert found["django_q_age_seconds"].documentation == 'How "old"\nit is, or \\n.'
    assert [(s.labels, s.value) for s in found["django_q_age_seconds"].samples] == [
        ({"queue": STRANGE}, 1.5),
        ({"queue": "mail"}, 0),
    ]
    (failed,) = found["django_q_failed"].samples
    assert (failed.name, failed.value) == ("django_q_failed_total", 2**40)


def test_the_older_format_is_read_as_it_was_meant():
    found = parsed(older_format, "text/plain;version=0.0.4")

    assert found["django_q_failed"].type == "counter"
    assert found["django_q_age_seconds"].documentation == 'How "old"\nit is, or \\n.'
    assert found["django_q_age_seconds"].samples[0].labels == {"queue": STRANGE}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/openmetrics-text"),
        ("*/*", "application/openmetrics-text"),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics"),
        ("text/plain;version=0.0.4;q=1,*/*;q=0.1", "text/plain; version=0.0.4"),
    ],
)
def test_a_reader_gets_the_format_that_it_accepts(accept, content_type):
    assert exposition([], accept).content_type.startswith(content_type)


def test_a_label_that_utf8_can_not_carry_is_sent_all_the_same():
    families = Families(("queue", MEASURE, "One."))
    families["queue"].add(1, queue="\ud800" * 300)

    assert exposition(families.as_list()).body.count(b"?") == 200
