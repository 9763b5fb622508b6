"""Heartbeats: what travels, what comes back, and whose are read."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone

import pytest
from django.utils.translation import override

from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_q.status import HEARTBEAT_TTL, Stat, Status
from tests.heartbeats import CLUSTER_ID, make_stat

#: A stat of django-q2 1.11.1, as pickle.dumps(stat, -1) gave it there.
FOREIGN = (
    b"\x80\x05\x95\xdb\x01\x00\x00\x00\x00\x00\x00\x8c\x0fdjango_q.status\x94\x8c\x04Stat\x94\x93\x94)"
    b"\x81\x94}\x94(\x8c\x07workers\x94]\x94\x8c\x03tob\x94\x8c\x08datetime\x94\x8c\x08datetime\x94"
    b"\x93\x94C\n\x07\xea\x0b\x16\t.$\n\xeaQ\x94h\x08\x8c\x08timezone\x94\x93\x94h\x08\x8c\ttimedelta"
    b"\x94\x93\x94K\x00K\x00K\x00\x87\x94R\x94\x85\x94R\x94\x86\x94R\x94\x8c\x0ereincarnations\x94K\x00"
    b"\x8c\x03pid\x94K\x05\x8c\ncluster_id\x94\x8c\x04uuid\x94\x8c\x04UUID\x94\x93\x94)\x81\x94}\x94"
    b"\x8c\x03int\x94\x8a\x11\xf68\xd6T`\xc5\xcc\xa7\xe6B\x93\x84\xe1\xebD\x8d\x00sb\x8c\x08sentinel\x94"
    b"K\x00\x8c\x06status\x94\x8c\x17django.utils.functional\x94\x8c\x14_lazy_proxy_unpickle\x94\x93\x94"
    b"(\x8c\x18django.utils.translation\x94\x8c\x07gettext\x94\x93\x94\x8c\x04Idle\x94\x85\x94}\x94"
    b"\x8c\x08builtins\x94\x8c\x03str\x94\x93\x94t\x94R\x94\x8c\x0bdone_q_size\x94K\x00\x8c\x04host\x94"
    b"\x8c\x02vm\x94\x8c\x07monitor\x94K\x00\x8c\x0btask_q_size\x94K\x00\x8c\x06pusher\x94K\x00\x8c\t"
    b"timestamp\x94h\nC\n\x07\xea\x0b\x16\t.$\n\xeaF\x94h\x13\x86\x94R\x94ub."
)


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_a_saved_stat_reads_back_as_it_was(memory, conf, serializer):
    conf(serializer=serializer)
    run = {"pid": 7, "id": "a" * 32, "name": "a-name", "func": "app.tasks.run", "group": "",
           "attempt": 1, "since": 1.7e9, "seconds": 1.5}  # fmt: skip
    current = [(7, "a-name", "app.tasks.run", 1.5)]
    stat = make_stat(workers=[7, 8], queue="mail", current=current, running=[run])

    stat.save(memory)

    assert Stat.get(5, CLUSTER_ID, memory).as_dict() == stat.as_dict()
    assert Stat.get(5, CLUSTER_ID, memory).status == Conf.IDLE
    assert Stat.get(5, CLUSTER_ID, memory).tob == stat.tob
    assert Stat.get(5, CLUSTER_ID, memory).current == stat.current
    assert Stat.get(5, CLUSTER_ID, memory).running == [run]
    assert memory.timeouts == [HEARTBEAT_TTL]


def test_the_stat_of_a_cluster_that_is_silent_says_stopped(memory):
    status = Stat.get(5, CLUSTER_ID, memory)

    assert type(status) is Status
    assert (status.pid, status.cluster_id, status.status) == (5, CLUSTER_ID, Conf.STOPPED)


def test_a_cluster_is_found_by_its_id_alone(memory):
    make_stat().save(memory)

    assert Stat.get(CLUSTER_ID, broker=memory).pid == 5


def test_a_stat_with_a_bad_signature_is_not_read(memory):
    memory.stats[Stat.get_key(CLUSTER_ID)] = SignedPackage.dumps(make_stat()) + "x"

    assert Stat.get_all(memory) == []
    assert Stat.get(5, CLUSTER_ID, memory).status == Conf.STOPPED


def test_a_signed_value_that_is_no_stat_is_not_read(memory):
    memory.stats[Stat.get_key(1)] = SignedPackage.dumps("surprise")

    assert Stat.get_all(memory) == []


def test_only_clusters_of_our_name_are_read(memory, conf):
    make_stat().save(memory)
    conf(name="another")

    assert Stat.get_all(memory) == []


def test_clusters_are_listed_by_host(memory):
    make_stat(cluster_id=1, host="zebra").save(memory)
    make_stat(cluster_id=2, host="ant").save(memory)

    assert [stat.host for stat in Stat.get_all(memory)] == ["ant", "zebra"]


def test_a_stat_of_django_q2_is_read():
    stat = pickle.loads(FOREIGN)

    assert isinstance(stat, Stat)
    assert (stat.host, stat.cluster_id, stat.status) == ("vm", CLUSTER_ID, Conf.IDLE)
    assert (stat.queue, stat.scheduler, stat.current, stat.pool_size) == ("", 0, [], 0)
    assert stat.running == []


def test_a_stat_holds_all_that_django_q2_reads():
    theirs = vars(pickle.loads(FOREIGN))

    assert set(theirs) <= set(vars(make_stat()))


def test_a_state_reads_in_the_language_of_the_reader():
    with override("de"):
        payload = pickle.dumps(make_stat())

    with override("en"):
        assert pickle.loads(payload).status == Conf.IDLE
    with override("de"):
        assert pickle.loads(payload).status == Conf.IDLE


def test_a_stat_as_a_dict_is_fit_for_json_in_english():
    with override("de"):
        values = make_stat(current=[(7, "a-name", "app.tasks.run", 1.5)]).as_dict()

    assert values["status"] == "Idle"
    assert values["cluster_id"] == str(CLUSTER_ID)
    assert json.dumps(values["current"]) == '[[7, "a-name", "app.tasks.run", 1.5]]'


@pytest.mark.parametrize("zone", [timezone.utc, None])
def test_uptime_counts_from_birth(zone):
    stat = make_stat(tob=datetime.now(zone) - timedelta(hours=2))

    assert 7200 <= stat.uptime() < 7260


def test_a_cluster_that_was_never_born_has_no_uptime():
    assert make_stat(tob=None).uptime() == 0


@pytest.mark.parametrize(("waiting", "done", "empty"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_queues_are_empty_when_nothing_waits(waiting, done, empty):
    assert make_stat(task_q_size=waiting, done_q_size=done).empty_queues() is empty


def test_a_cluster_whose_heartbeat_was_put_under_another_key_is_listed_once(memory):
    make_stat().save(memory)
    memory.stats[Stat.get_key("other")] = memory.stats[Stat.get_key(CLUSTER_ID)]

    assert len(Stat.get_all(memory)) == 1
    assert Stat.get("other", broker=memory).status == Conf.STOPPED


def test_an_old_heartbeat_is_said_once(memory, caplog):
    make_stat(timestamp=datetime.now(timezone.utc) - timedelta(hours=1), cluster_id="old one").save(
        memory
    )

    for _ in range(3):
        assert Stat.get_all(memory) == []

    assert caplog.text.count("a heartbeat of cluster old one on ant is more than 60 seconds") == 1


def test_the_clocks_of_hosts_may_differ_by_half_a_minute(memory):
    make_stat(timestamp=datetime.now(timezone.utc) - timedelta(seconds=45), cluster_id=1).save(
        memory
    )
    make_stat(timestamp=datetime.now(timezone.utc) + timedelta(hours=1), cluster_id=2).save(memory)

    assert len(Stat.get_all(memory)) == 2
