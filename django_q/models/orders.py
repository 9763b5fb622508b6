"""The tables of orders: what people have told the queues of the ORM broker."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class QueueOrder(models.Model):
    """What holds a queue back, or the version of its notices; each take asks for both rows.

    They are two rows, as a transaction that posts a notice, and goes on, must not hold a take up.
    """

    #: The kind of the row and the name of the queue.
    name = models.CharField(_("name"), max_length=120, primary_key=True)
    #: Whether a take has to read the row: something holds the queue back, or there are notices.
    is_active = models.BooleanField(_("is active"), default=False)
    is_paused = models.BooleanField(_("is paused"), default=False)
    #: Ids of clusters that take nothing, as a list in JSON.
    paused_clusters = models.TextField(_("paused clusters"), default="[]")
    #: How many tasks may be leased at a time.
    limit = models.IntegerField(_("limit"), null=True)
    version = models.BigIntegerField(_("version"), default=0)

    class Meta:
        app_label = "django_q"
        verbose_name = _("order of a queue")
        verbose_name_plural = _("orders of queues")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """A short text that all clusters of a queue read."""

    #: Digest of the queue and the key: some databases do not compare long texts, or not exactly.
    digest = models.CharField(_("digest"), max_length=32, primary_key=True)
    queue = models.CharField(_("queue"), max_length=100, db_index=True)
    key = models.TextField(_("key"))
    text = models.TextField(_("text"))
    posted = models.DateTimeField(_("posted"))
    expires = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        app_label = "django_q"
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
