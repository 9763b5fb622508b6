"""Rules of the comparison of brokers: states are kept, and orders are given."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from django_q.brokers.contract.kept_state import KeptState

#: The cluster that takes; orders may be for another one.
CLUSTER = "one"
CONTROL_ORDERS = st.sampled_from(
    [
        *(("pause", cluster_id) for cluster_id in ("", CLUSTER, "two")),
        *(("resume", cluster_id) for cluster_id in ("", "", CLUSTER, CLUSTER, "two")),
        *(("set_limit", limit) for limit in (None, None, 0, 1, 2, 4)),
    ]
)
NOTICE_ORDERS = st.sampled_from(
    [
        ("post_notice", "a", "x"),
        ("post_notice", "b", "y"),
        ("withdraw_notices", ["a"]),
        ("withdraw_notices", ["a", "b"]),
    ]
)

#: Texts that are kept: often none.
TEXTS = st.sampled_from(["", "", "a", "b"])
STATES = st.builds(KeptState, attempts=TEXTS, position=TEXTS)


class OrderRules(RuleBasedStateMachine):
    """What is asked of both, beside ``TermsComparison``."""

    taken = Bundle("taken")
    more = st.lists(taken, max_size=2)

    def forget_orders(self):
        """Begin without pause, limit and notices."""
        self.real.cluster_id = self.model.cluster_id = CLUSTER
        for cluster_id in ("", CLUSTER, "two"):
            self.real.resume(cluster_id)
        self.real.set_limit(None)
        self.real.withdraw_notices("ab")

    def keep_same(self, one, more, states, keep):
        """Keep states by the receipts of both. Compares which were stale."""
        taken = list(dict.fromkeys([one, *more]))
        pairs = list(zip(taken, states, strict=False))
        real = keep(self.real, {each.real: state for each, state in pairs})
        model = keep(self.model, {each.model: state for each, state in pairs})
        by_receipt = {each.real: each.model for each in taken}
        assert {by_receipt[receipt] for receipt in real} == model

    @rule(one=taken, more=more, states=st.lists(STATES, min_size=1, max_size=3))
    def keep_state(self, one, more, states):
        self.keep_same(one, more, states, lambda broker, kept: broker.keep_state(kept))

    @rule(
        one=taken,
        more=more,
        states=st.lists(STATES, min_size=3, max_size=3),
        delay=st.sampled_from([0, 0, 10, 20, 40]),
        count=st.booleans(),
    )
    def release(self, one, more, states, delay, count):
        self.keep_same(
            one, more, states, lambda broker, kept: broker.release(list(kept), delay, count, kept)
        )

    @rule(number=st.integers(0, 9), mark=st.sampled_from(["mark", "other mark"]))
    def cancel(self, number, mark):
        """Cancel one of the tasks that are there: those that were enqueued last come first."""
        ids = [each.terms.task_id for each in self.messages().values() if each.terms]
        real, model = self.both("cancel_task", ids[-1 - number % len(ids)] if ids else "", mark)
        assert real == model

    @rule(one=taken)
    def cancel_one_that_was_taken(self, one):
        """Cancel a task that is leased, or has lost its lease, or was released."""
        message = self.messages().get(one.payload)
        if message and message.terms:
            real, model = self.both("cancel_task", message.terms.task_id, "mark")
            assert real == model

    @rule(order=CONTROL_ORDERS | NOTICE_ORDERS)
    def order(self, order):
        real, model = self.both(*order)
        assert real == model
        self.compare_orders()

    def compare_orders(self):
        """Compare what holds the queue back, and its notices."""
        real, model = self.both("control")
        assert real == model
        real, model = (each.values for each in self.both("notices"))
        assert {key: text for key, (_, text) in real.items()} == {
            key: text for key, (_, text) in model.items()
        }

    def compare_held(self, room):
        """Compare what the last take says of the queue, which had taken nothing."""
        assert self.real.is_held is (room == 0)
        assert self.real.seen_notices_version == self.real.notices_version()
