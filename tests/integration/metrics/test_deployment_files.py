"""The Grafana dashboard and the alert rules name metrics that are there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from django_q.metrics.collection import collect
from django_q.metrics.exposition.text_format import exposition
from tests.heartbeats import make_stat

DEPLOY = Path(__file__).parents[3] / "docs" / "deploy"
DASHBOARD, RULES = DEPLOY / "grafana-dashboard.json", DEPLOY / "prometheus-rules.yml"
PAGE = DEPLOY.with_name("metrics.rst")
METRIC = re.compile(r"\bdjango_q_[a-z_]+[a-z]\b")


@pytest.fixture
def families(db, broker):
    """Collect all metrics."""
    make_stat(name="four-words").save(broker)
    return collect()


@pytest.mark.parametrize("file", [DASHBOARD, RULES])
def test_every_metric_that_is_named_is_there(file, families):
    text = file.read_text()
    if file is DASHBOARD:
        text = "\n".join(found_under(json.loads(text), "expr", "definition"))
    text = re.sub(r"- name: .*|# .*", "", text)

    names = set(METRIC.findall(text))

    assert names
    assert names <= {family.sample_name for family in families}


def test_the_page_describes_every_metric(families):
    names = {name for name in METRIC.findall(PAGE.read_text()) if name != "django_q_token"}

    assert names == {family.sample_name for family in families}


def test_the_panels_of_the_dashboard_do_not_overlap():
    panels = json.loads(DASHBOARD.read_text())["panels"]

    cells = [cell for panel in panels for cell in cells_of(panel["gridPos"])]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _y in cells)


def cells_of(place):
    """List the cells of the grid that a panel covers."""
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def found_under(value, *keys):
    """Yield the texts below some keys of nested values."""
    if isinstance(value, list):
        for each in value:
            yield from found_under(each, *keys)
    if isinstance(value, dict):
        for key, each in value.items():
            if key in keys:
                yield each
            yield from found_under(each, *keys)


def promtool(*arguments: str, text: bytes = b"") -> None:
    """Run promtool. Raises an error with what it prints unless it is content."""
    program = os.environ.get("DJANGO_Q_TEST_PROMTOOL") or "promtool"
    done = subprocess.run([program, *arguments], input=text, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.promtool
def test_promtool_takes_the_metrics(families):
    promtool("check", "metrics", text=exposition(families, "text/plain").body)


@pytest.mark.promtool
def test_promtool_takes_the_rules():
    promtool("check", "rules", "--lint-fatal", str(RULES))


@pytest.mark.promtool
def test_promtool_takes_the_expressions_of_the_dashboard(tmp_path):
    expressions = list(found_under(json.loads(DASHBOARD.read_text()), "expr"))
    rules = [
        {"record": f"dashboard:expression{n}", "expr": plain_expression(each)}
        for n, each in enumerate(expressions)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    promtool("check", "rules", str(file))


def plain_expression(text):
    """Put in place of Grafana's variables what it puts there."""
    return text.replace("$__rate_interval", "5m").replace("$queue", ".*")
