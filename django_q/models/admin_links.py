"""Links from models to their pages in Django's admin, where a project has one."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse


def task_admin_url(task_id: str, success: bool) -> str:
    """Return the address of a task's page in the admin; empty where the project has no admin."""
    page = "success" if success else "failure"
    try:
        return reverse(f"admin:django_q_{page}_change", args=(task_id,))
    except NoReverseMatch:
        return ""
