"""What becomes of a task whose COMMIT fails, or is never answered."""

from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction

from django_q.brokers import get_broker
from django_q.brokers.orm.prepared_statements import PreparedStatements
from django_q.models import Heartbeat
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import SQLITE, asked, sqlite_only, statements

on_postgres = pytest.mark.parametrize("broker", ["postgres"], indirect=True)

#: What a deferred trigger may do.
REFUSE = "RAISE EXCEPTION 'refused by a trigger';"
HANG_UP = "PERFORM PG_TERMINATE_BACKEND(PG_BACKEND_PID()); PERFORM PG_SLEEP(5);"
LOSE = """
    IF NEXTVAL('django_q_losses') < 3 THEN
        RAISE EXCEPTION 'konnte nicht' USING ERRCODE = '40001';
    END IF;
"""


@pytest.fixture
def at_commit(broker):
    """A function that has PostgreSQL do something whenever a row of the queue is committed."""
    drop = "DROP FUNCTION IF EXISTS django_q_at_commit CASCADE"

    def do(body: str) -> None:
        asked(broker, drop)
        asked(
            broker,
            "CREATE FUNCTION django_q_at_commit() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body} RETURN NULL; END $$",
        )
        asked(
            broker,
            "CREATE CONSTRAINT TRIGGER django_q_at_commit AFTER INSERT ON django_q_ormq "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION django_q_at_commit()",
        )

    asked(broker, "CREATE SEQUENCE IF NOT EXISTS django_q_losses MINVALUE 0")
    yield do
    asked(broker, drop)
    asked(broker, "DROP SEQUENCE django_q_losses")


def enqueue(broker):
    broker.enqueue("a")


def enqueue_many(broker):
    broker.enqueue_many(["a", "b"])


def enqueue_once(broker):
    broker.enqueue_once("a", "key")


def enqueue_in_transaction(broker):
    with transaction.atomic(broker.alias):
        broker.enqueue("a")


ways = pytest.mark.parametrize(
    "way",
    [enqueue, enqueue_many, enqueue_once, enqueue_in_transaction],
    ids=lambda way: way.__name__,
)


@on_postgres
@ways
@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_task_whose_commit_is_refused_was_not_enqueued_and_the_caller_is_told(
    request, broker, at_commit, way, is_prepared
):
    if is_prepared:
        request.getfixturevalue("prepared")
    at_commit(REFUSE)

    for _ in range(2):
        with pytest.raises(DatabaseError, match="refused by a trigger"):
            way(broker)

    assert broker.queue_size() == 0
    at_commit("")
    way(broker)
    assert "a" in payloads(broker.dequeue(9, wait=0))


@on_postgres
def test_a_prepared_statement_survives_a_commit_that_is_refused(prepared, at_commit):
    at_commit(REFUSE)
    with pytest.raises(DatabaseError):
        prepared.enqueue("lost")
    at_commit("")

    for payload in "abc":
        prepared.enqueue(payload)

    assert payloads(prepared.dequeue(9, wait=0)) == ["a", "b", "c"]
    assert len(statements(prepared)) == 2


@on_postgres
@pytest.mark.parametrize("way", [enqueue, enqueue_many])
def test_nobody_knows_of_a_task_whose_connection_ends_while_it_is_committed(
    prepared, at_commit, way
):
    at_commit(HANG_UP)

    with pytest.raises(OperationalError, match=r"may be in the queue or not") as caught:
        way(prepared)

    assert "terminating connection" in str(caught.value) or "closed" in str(caught.value)
    at_commit("")
    prepared.enqueue("next")
    assert payloads(prepared.dequeue(9, wait=0)) == ["next"]


@on_postgres
def test_a_statement_that_the_server_refuses_is_in_no_doubt(prepared):
    both = PreparedStatements("SELECT 1 / %s::int", "SELECT 1")
    connection = connections[prepared.alias]
    assert both.run(connection, [b"\0\0\0\0"], []) is None

    with pytest.raises(Exception, match="division by zero") as caught:
        both.run(connection, [b"\0\0\0\0"], [])

    assert "may be" not in str(caught.value)
    assert both.run(connection, [b"\0\0\0\1"], []) == [b"1", b"1"]


@on_postgres
@ways
def test_a_task_whose_commit_loses_against_another_is_enqueued_again_once(
    request, broker, at_commit, way
):
    if way is enqueue:
        request.getfixturevalue("prepared")
    at_commit(LOSE)

    if way is enqueue_in_transaction:  # for the caller to begin again
        with pytest.raises(OperationalError, match="konnte nicht"):
            way(broker)
        assert broker.queue_size() == 0
    else:
        way(broker)
        assert broker.queue_size() == (2 if way is enqueue_many else 1)


@on_postgres
def test_a_mark_that_is_there_is_found_whatever_the_isolation(broker, serializable):
    assert broker.enqueue_once("a", "key") is True
    assert broker.enqueue_once("b", "key") is False
    assert Heartbeat.objects.using(broker.alias).filter(key__contains=":once:").count() == 1


@pytest.fixture(params=["serializable", "repeatable read"])
def serializable(request, broker):
    """Have each transaction of the database be isolated from those beside it."""
    (name,) = asked(broker, "SELECT CURRENT_DATABASE()")
    asked(broker, f"ALTER DATABASE {name} SET default_transaction_isolation = '{request.param}'")
    connections[broker.alias].close()
    yield
    connections[broker.alias].close()
    asked(broker, f"ALTER DATABASE {name} RESET default_transaction_isolation")
    connections[broker.alias].close()


@on_postgres
@pytest.mark.parametrize("ask", ["take", "must_look_again", "due_in"])
def test_a_question_that_conflicts_with_others_is_repeated(broker, ask):
    """The first statement of each is lost, as in a serializable transaction."""
    lost = []

    def lose_first(execute, *arguments):
        if not lost:
            lost.append(arguments[0])
            asked(broker, "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$")
        return execute(*arguments)

    with connections[broker.alias].execute_wrapper(lose_first):
        getattr(broker.table, ask)(*((1, 30) if ask == "take" else ()))

    assert len(lost) == 1


@on_postgres
def test_takers_and_producers_side_by_side_lose_nothing_where_transactions_are_serializable(
    broker, serializable, caplog
):
    done, failures, enqueued = [], [], threading.Event()

    def produce(name):
        for number in range(100):
            broker.enqueue(f"{name}-{number}")

    def take():
        own = get_broker()
        while True:
            was_over = enqueued.is_set()
            deliveries = own.dequeue(10, wait=0)
            if not deliveries and was_over:
                return
            receipts = [delivery.ack_id for delivery in deliveries]
            assert own.extend(receipts, 30) == set()
            assert own.acknowledge_many(receipts) == set()
            done.extend(payloads(deliveries))

    def run(deed, *args):
        try:
            deed(*args)
        except Exception as error:
            failures.append(error)
        finally:
            connections[broker.alias].close()

    producers = [threading.Thread(target=run, args=(produce, name)) for name in "ab"]
    takers = [threading.Thread(target=run, args=(take,)) for _ in range(3)]
    for thread in (*producers, *takers):
        thread.start()
    for thread in producers:
        thread.join()
    enqueued.set()
    for thread in takers:
        thread.join()

    assert failures == []
    assert sorted(done) == sorted(f"{name}-{n}" for name in "ab" for n in range(100))
    assert caplog.text == ""


@pytest.fixture
def debt(broker):
    """Have SQLite find, when a row of the queue is committed, that another row is missing."""
    for sql in (
        "CREATE TABLE debts (id INTEGER REFERENCES django_q_task DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER debt AFTER INSERT ON django_q_ormq BEGIN INSERT INTO debts VALUES (1); END",
    ):
        asked(broker, sql)
    yield
    asked(broker, "DROP TRIGGER IF EXISTS debt")
    asked(broker, "DROP TABLE debts")


@pytest.mark.parametrize("broker", [SQLITE], indirect=True)
@sqlite_only
@ways
def test_a_task_whose_commit_is_refused_by_sqlite_was_not_enqueued(broker, debt, way):
    for _ in range(2):
        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            way(broker)

    asked(broker, "DROP TRIGGER debt")
    assert broker.queue_size() == 0
    way(broker)
    assert "a" in payloads(broker.dequeue(9, wait=0))
