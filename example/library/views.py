"""The pages of the site."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from django_q.models import Task
from django_q.status import Stat
from django_q.tasks import queue_size
from library.enqueue import count_all_words
from library.models import Report


def shelf(request: HttpRequest) -> HttpResponse:
    """Show the texts, the pictures, and what the cluster did last."""
    context = {
        "reports": Report.objects.all(),
        "pictures": sorted(path.name for path in settings.DATA.glob("small-*.png")),
        "tasks": Task.objects.defer("args", "kwargs")[:12],
        "waiting": queue_size(),
        "clusters": Stat.get_all(),
    }
    return render(request, "library/shelf.html", context)


@require_POST
def count_again(request: HttpRequest) -> HttpResponse:
    """Enqueue a task for each text; the page comes back before they are done."""
    messages.success(request, f"{len(count_all_words())} tasks are in the queue.")
    return redirect("shelf")


def picture(request: HttpRequest, name: str) -> FileResponse:
    """Send a picture that a task made."""
    made = {path.name: path for path in settings.DATA.glob("*.png")}
    if name not in made:
        raise Http404(name)
    return FileResponse(made[name].open("rb"))
