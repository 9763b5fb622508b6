"""What happens in the shop, and who is told."""

from __future__ import annotations

from dataclasses import dataclass

from django_domain_events import DURABLE, event, receiver

from tests.clients.applications.shop.models import Article


@event
@dataclass(frozen=True)
class Ordered:
    """Somebody has ordered an article."""

    name: str


@receiver(Ordered, mode=DURABLE, site="task")
def note_order(told: Ordered) -> None:
    """Make a row."""
    Article.objects.create(name=f"ordered {told.name}")


@receiver(Ordered, mode=DURABLE, site="task", max_attempts=1)
def fail(told: Ordered) -> None:
    """Fail."""
    raise ValueError(told.name)
