"""Visits of the dashboard's pages: who comes, and what they see."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.urls import reverse

#: The dashboard in the admin, and alone.
IN_ADMIN, ALONE = "admin:django_q:", "django_q:"


def page_url(page: str, *args: Any, place: str = IN_ADMIN) -> str:
    """Find a page of the dashboard."""
    return reverse(f"{place}{page}", args=args)


def log_in(client: Any, *codenames: str) -> User:
    """Log in a user of the staff who has these permissions."""
    user = User.objects.create_user("anna", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user
