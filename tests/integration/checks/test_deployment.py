"""The system checks as Django runs them, and the settings of further clusters."""

from __future__ import annotations

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_q.checks import check_deployment, check_q_cluster, examine
from django_q.conf import Settings
from tests.integration.checks.found_messages import found, ids


def test_the_checks_are_registered_with_django():
    assert {check_q_cluster} <= set(checks.registry.registry.get_checks())
    assert check_deployment in checks.registry.registry.get_checks(include_deployment_checks=True)


def test_the_settings_of_the_tests_have_no_mistakes():
    assert check_q_cluster() == []


@pytest.mark.parametrize(("sync", "expected"), [(True, ["django_q.W008"]), (False, [])])
def test_a_deployment_that_runs_tasks_at_once_is_warned_of(settings, sync, expected):
    settings.Q_CLUSTER = {"sync": sync}

    assert [message.id for message in check_deployment()] == expected


def test_the_settings_of_another_cluster_are_checked():
    options = {"ALT_CLUSTERS": {"long": {"timeot": 3, "workers": "2", "name": "x"}}}

    messages = dict(found(options))

    assert set(messages) == {"W001", "E002", "W006"}
    assert "Q_CLUSTER['ALT_CLUSTERS']['long']['workers']" in messages["E002"]


def test_the_settings_of_another_cluster_must_be_a_dictionary():
    assert ids({"ALT_CLUSTERS": {"long": 3}}) == ["E001"]


def test_the_settings_of_another_cluster_are_checked_beside_those_of_all():
    options = {"retry": 100, "ALT_CLUSTERS": {"long": {"timeout": 3600}}}

    ((number, text),) = found(options)

    assert number == "W002"
    assert text.startswith("Q_CLUSTER['ALT_CLUSTERS']['long']['retry']")


def test_a_mistake_in_the_settings_of_all_is_said_once():
    assert len(found({"worker": 1, "ALT_CLUSTERS": {"long": {}, "short": {}}})) == 1


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


keys = st.sampled_from(
    [*(name.lower() for name in vars(Settings())), "name", "ALT_CLUSTERS", "mongo", "has_replica"]
)


@given(junk | st.dictionaries(keys | st.integers() | st.none() | st.text(max_size=5), junk))
@hypothesis_settings(deadline=None)
def test_whatever_q_cluster_is_the_checks_do_not_raise(options):
    assert all(isinstance(message, CheckMessage) for message in examine(options))


@given(keys, junk)
@hypothesis_settings(deadline=None, max_examples=500)
def test_whatever_an_option_is_the_checks_do_not_raise(key, value):
    for options in ({key: value}, {"ALT_CLUSTERS": {"long": {key: value}}}):
        assert all(message.msg for message in examine(options))
