"""``EnqueuedMixin``: the testing kit for classes of tests."""

from __future__ import annotations

from typing import Any

from django_q.testing.assertions.enqueued_tasks import EnqueuedTasks
from django_q.testing.blocks.block import enqueued


class EnqueuedMixin:
    """Records the tasks of each test of a class as ``self.tasks``; to be named before ``TestCase``.

    Also what ``setUp`` enqueues. What ``setUpClass`` and ``setUpTestData`` enqueue is not recorded.
    """

    #: The tasks that this test has enqueued.
    tasks: EnqueuedTasks

    def run(self, result: Any = None) -> Any:
        """Run the test inside a block."""
        with enqueued() as self.tasks:
            return super().run(result)  # type: ignore[misc]

    def debug(self) -> None:
        """Run the test inside a block, without collecting its errors."""
        with enqueued() as self.tasks:
            super().debug()  # type: ignore[misc]
