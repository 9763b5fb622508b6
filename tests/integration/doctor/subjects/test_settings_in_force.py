"""The settings: system checks, leases, the cache."""

from __future__ import annotations

import pytest
from django.test import override_settings

from django_q.doctor.subjects.settings_in_force import examine
from tests.integration.doctor.found import found

pytestmark = pytest.mark.once

LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def test_the_settings_of_the_tests_have_no_error():
    assert {each.level for each in found(examine).values()} <= {"info"}


def test_what_system_checks_say_is_found_under_their_ids():
    with override_settings(Q_CLUSTER={"name": "test", "retry": 60, "timeout": 90, "worker": 1}):
        findings = found(examine)

        assert findings["django_q.W002"].level == "warning"
        assert "'workers'" in findings["django_q.W001"].cure + findings["django_q.W001"].found
        with override_settings(SILENCED_SYSTEM_CHECKS=["django_q.W002"]):
            assert "django_q.W002" not in found(examine)


@pytest.mark.parametrize(
    ("options", "finding_id"),
    [
        ({"retry": 2}, "lease-short"),
        ({"timeout": None}, "no-time-limit"),
        ({"timeout": 600, "stop_timeout": 60}, "stop-before-end"),
    ],
)
def test_how_leases_and_limits_go_together_is_examined(options, finding_id, conf):
    conf(timeout=30, retry=60)
    assert finding_id not in found(examine)

    conf(**options)
    assert finding_id in found(examine)


def test_a_cache_that_no_other_process_sees_is_a_fact_until_results_go_there(conf):
    with override_settings(CACHES=LOCMEM):
        assert found(examine)["cache-unshared"].level == "info"
    with override_settings(CACHES=LOCMEM, Q_CLUSTER={"cached": True, "timeout": 30}):
        assert "django_q.W004" in found(examine)
        assert "cache-unshared" not in found(examine)


@pytest.mark.parametrize(("cached", "level"), [(True, "error"), (False, "warning")])
def test_a_cache_whose_server_is_away_is_found(cached, level, conf):
    away = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    conf(cached=cached)
    with override_settings(CACHES=away):
        assert found(examine)["cache-unusable"].level == level
