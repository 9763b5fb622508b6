"""The outbox of the tests, and a network to Redis that can fail."""

from tests.integration.outbox.conftest import network, outbox  # noqa: F401 - pytest finds them here
