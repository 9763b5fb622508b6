"""``@task``: what it takes, and that the function stays what it was."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle

import pytest
from asgiref.sync import iscoroutinefunction

from django_q.exceptions import PackageError
from django_q.tasks import TaskFunction, task
from tests.task_functions import (
    Shop,
    by_path,
    increased_twice,
    log_in,
    multiply,
    send,
    wait_and_multiply,
)
from tests.tasks import Calculator


def test_a_call_calls_the_function_here_and_now():
    assert multiply(3) == 6
    assert Shop.close("tea") == "tea is closed"
    assert increased_twice(4) == 10
    assert by_path(1, x=2) == ((1,), {"x": 2})
    assert send.using(retries=1)("ann@example.com") == "sent to ann@example.com"


def test_it_looks_as_the_function_does():
    assert (multiply.__name__, multiply.__doc__) == ("multiply", "Return a product.")
    assert multiply.__module__ == "tests.task_functions"
    assert str(inspect.signature(multiply)) == "(x: 'int', y: 'int' = 2) -> 'int'"
    assert repr(multiply) == "TaskFunction(tests.task_functions.multiply)"
    assert repr(task("shop.send", retries=2)) == "TaskFunction(shop.send, retries=2)"


def test_a_coroutine_function_stays_one():
    assert iscoroutinefunction(wait_and_multiply)
    assert asyncio.run(wait_and_multiply(2, 3)) == 6


@pytest.mark.parametrize("func", [multiply, Shop.close, increased_twice, wait_and_multiply])
def test_it_is_pickled_and_copied_by_its_name(func):
    assert pickle.loads(pickle.dumps(func)) is func
    assert copy.deepcopy(func) is func
    assert len(pickle.dumps(func)) < 80


@pytest.mark.parametrize("func", [send.using(retries=1), by_path, log_in.using(save=False)])
def test_one_with_other_options_is_pickled_with_them(func):
    again = pickle.loads(pickle.dumps(func))

    assert (again.path, again.options) == (func.path, func.options)
    assert again.secret_arguments == func.secret_arguments


def test_a_class_may_refer_to_it():
    assert Shop.action is multiply
    assert Shop().action(2, 3) == 6


def test_a_method_is_refused_and_it_is_said_what_to_do():
    with pytest.raises((TypeError, RuntimeError)) as raised:  # of Python before 3.12, with a cause

        class Order:
            @task
            def pay(self) -> None:
                """Pay."""

    error = raised.value.__cause__ or raised.value
    assert isinstance(error, TypeError)
    assert "Order.pay" in str(error)
    assert "@staticmethod above @task" in str(error)


@pytest.mark.parametrize("value", [5, None, "no path", [multiply], object()])
def test_what_can_not_be_called_is_refused(value):
    with pytest.raises(PackageError, match=r"expected a function, or a dotted path"):
        task()(value)


def test_using_gives_another_one_and_leaves_the_first_as_it_is():
    other = send.using(retries=5, timeout=None)

    assert (other.options["retries"], send.options["retries"]) == (5, 3)
    assert ("timeout" in other.options, send.options["timeout"]) == (False, 20)


def test_it_can_not_be_changed_but_has_attributes_as_a_function_has():
    with pytest.raises(AttributeError, match=r"using\(\) makes another one"):
        send.options = {}
    with pytest.raises(TypeError):
        send.options["retries"] = 1
    other = send.using(retries=1)
    other.short_description = "Send a mail"

    assert other.short_description == "Send a mail"


def test_a_task_function_may_be_decorated_again():
    again = task(send, timeout=10, secret="token")

    assert (again.options["retries"], again.options["timeout"]) == (3, 10)
    assert again.secret_arguments == {"token"}
    assert isinstance(again, TaskFunction)


def test_a_secret_must_be_a_parameter():
    with pytest.raises(PackageError, match=r"no parameter of multiply 'tokn'. Expected some of x"):
        task(multiply, secret="tokn")
    with pytest.raises(PackageError, match=r"Did you mean 'address'\?"):
        task(send, secret=["adress"])
    assert task("shop.tasks.gone", secret="anything").secret_arguments == {"anything"}
    assert task(Calculator.add, secret="self").secret_arguments == {"self"}
