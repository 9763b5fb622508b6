"""Links from models to their pages in Django's admin, where a project has one."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse


def task_admin_url(task_id: str, success: bool) -> str:
    """Find the page of a task in the admin; empty where there is no admin."""
    page = "success" if success else "failure"
    try:
        return reverse(f"admin:django_q_{page}_change", args=(task_id,))
    except NoReverseMatch:
        return ""
