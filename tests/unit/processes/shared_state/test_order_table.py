"""Orders that a cluster heeds, in memory that its processes share."""

from __future__ import annotations

import multiprocessing
import os
import signal

import psutil
import pytest

from django_q.processes.shared_state.order_table import (
    ORDER_HEADER_BYTES,
    ORDER_TABLE_BYTES,
    SHORT_ORDER_TEXT,
    OrderTable,
)
from tests.waiting import wait_until

ORDERS = {"task:abc": (1.5, "cancelled by anna"), "group:grün": (2.0, "cancelled")}


@pytest.fixture
def table():
    """Make the table of a cluster."""
    return OrderTable()


def orders_with_texts(count: int, text: str) -> dict[str, tuple[float, str]]:
    """Make orders for tasks."""
    return {f"task:{number:032x}": (float(number), text) for number in range(count)}


def test_a_new_table_has_no_orders(table):
    assert (table.version, table.read(), table.is_stopping) == (0, {}, False)


def test_the_version_changes_with_each_table_that_is_written(table):
    versions = [table.version]
    for orders in (ORDERS, ORDERS, {}):
        table.write(orders)
        versions.append(table.version)
        assert table.read() == orders

    assert versions == [0, 1, 2, 3]


def test_five_thousand_orders_have_room(table):
    orders = orders_with_texts(5000, "cancelled by anna at 2026-01-02 03:04:05 UTC: all of it")

    table.write(orders)

    assert table.read() == orders


def test_texts_that_are_too_long_together_are_shortened(table):
    table.write(orders_with_texts(5000, "x" * 300))

    assert table.read() == orders_with_texts(5000, SHORT_ORDER_TEXT)


def test_of_too_many_orders_the_oldest_are_heeded_and_the_log_says_so(table, caplog):
    orders = {f"group:{number:0300}": (float(number), "x") for number in range(5000)}

    table.write(orders)

    kept = [time for time, _ in table.read().values()]
    assert kept == [float(number) for number in range(len(kept))]
    assert len(kept) > 2500
    assert "orders are not heeded" in caplog.text


def test_a_reader_that_meets_a_half_written_table_keeps_what_it_had(table):
    table.write(ORDERS)
    reader = OrderTable(table.memory)
    assert reader.read() == ORDERS
    table.write({})
    half = table._halves[int(table.version) % 2]

    half[: ORDER_HEADER_BYTES + 1] = b"\xff" * (ORDER_HEADER_BYTES + 1)

    assert reader.read() == ORDERS


def test_a_table_is_read_whole_while_the_next_one_is_being_written(table):
    table.write(ORDERS)
    next_half = table._halves[(int(table.version) + 1) % 2]

    next_half[:] = b"\xff" * ORDER_TABLE_BYTES  # as a pusher that is killed in the middle

    assert OrderTable(table.memory).read() == ORDERS
    table.write({})
    assert OrderTable(table.memory).read() == {}


def write_for_ever(table: OrderTable) -> None:
    """Write one of two tables after the other, which have nothing in common."""
    number = 0
    while True:
        number += 1
        table.write(orders_with_texts(300 + 200 * (number % 2), f"text {number % 2}"))


def test_a_reader_never_sees_a_mixture_of_two_tables(table):
    writer = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(table,))
    writer.start()
    try:
        wait_until(lambda: table.version)
        seen = set()
        for _ in range(300):
            orders = table.read()
            seen.add((len(orders), *{text for _, text in orders.values()}))
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()

    assert seen == {(300, "text 0"), (500, "text 1")}


def test_that_the_cluster_stops_is_a_number_of_its_own(table):
    table.write(ORDERS)

    table.request_stop()

    assert (table.is_stopping, table.version, table.read()) == (True, 1, ORDERS)
    table.write({})
    assert table.is_stopping


def answer(table: OrderTable, answers: multiprocessing.Queue) -> None:
    """Tell what another process sees."""
    answers.put((table.version, table.read(), table.is_stopping))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_another_process_sees_what_is_written_before_and_after_its_start(table, method):
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    table.write(ORDERS)
    table.request_stop()

    process = context.Process(target=answer, args=(table, answers))
    process.start()

    assert answers.get(timeout=60) == (1, ORDERS, True)
    process.join()


def test_what_is_not_written_takes_no_memory():
    process = psutil.Process()
    OrderTable().write(ORDERS)
    before = process.memory_info().rss

    tables = [OrderTable() for _ in range(20)]

    assert process.memory_info().rss - before < ORDER_TABLE_BYTES
    assert len(tables) == 20


def test_the_orders_are_read_once_for_each_table_that_is_written(table):
    assert table.current() == {}
    table.write(ORDERS)
    found = table.current()

    assert found == ORDERS
    assert table.current() is found
    table.write({})
    assert table.current() == {}


def test_who_asks_while_the_orders_are_read_gets_the_new_ones(monkeypatch):
    table, asked = OrderTable(), []
    table.write({"task:1": (1.0, "first")})
    table.current()
    table.write({"task:2": (2.0, "second")})
    read = table.read

    def read_interrupted():
        monkeypatch.setattr(table, "read", read)
        asked.append(dict(table.current()))
        return read()

    monkeypatch.setattr(table, "read", read_interrupted)

    assert table.current() == {"task:2": (2.0, "second")}
    assert asked == [{"task:2": (2.0, "second")}]
