"""Options of calls as attributes of ``AsyncTask``, ``Iter`` and ``Chain``."""

from __future__ import annotations

import pytest

from django_q.exceptions import PackageError
from django_q.tasks import (
    AsyncTask,
    Chain,
    Iter,
    async_task,
)
from tests.integration.sent_packages import sent
from tests.tasks import echo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("make", [lambda: AsyncTask(echo), lambda: Iter(echo), lambda: Chain()])
def test_an_attribute_that_is_a_misspelt_option_is_refused(make):
    for name in ("time_out", "gruop", "max_attempt", "cashed", "hooks"):
        with pytest.raises(PackageError, match="Did you mean") as caught:
            setattr(make(), name, 4)
        assert isinstance(caught.value, AttributeError)
    call = make()
    call.order = 5  # of the project's own
    assert call.order == 5


def test_every_option_is_an_attribute(broker):
    task = AsyncTask(echo, 1)
    task.timeout, task.max_attempts, task.task_name, task.cluster = "5", "3", 7, "test"
    task.run()

    package = sent(broker)
    assert (package["timeout"], package["max_attempts"], package["name"]) == (5, 3, "7")
    assert (task.timeout, task.max_attempts) == ("5", "3")
    assert package["kwargs"] == {}


def test_options_of_iterables_and_chains_are_attributes(broker):
    whole = Iter(echo, [1])
    whole.timeout, whole.max_attempts, whole.group = 5, 2, "g"
    whole.run()
    package = sent(broker)
    assert (package["timeout"], package["max_attempts"]) == (5, 2)
    assert (package["iter_group"], package["kwargs"]) == ("g", {})

    chain = Chain([echo, echo], group=5)
    chain.timeout, chain.pass_result = 5, True
    assert chain.run() == "5"
    package = sent(broker)
    assert (package["timeout"], package["chain_options"]) == (5, {"pass_result": True})


def test_a_function_keeps_its_own_argument_max_attempts(broker):
    async_task(echo, max_attempts="mine", iter_position=1)
    async_task(echo, max_attempts="mine", q_options={"max_attempts": 2})

    assert sent(broker)["kwargs"] == {"max_attempts": "mine", "iter_position": 1}
    package = sent(broker)
    assert (package["kwargs"], package["max_attempts"]) == ({"max_attempts": "mine"}, 2)
