"""Compatibility: django-q2's module of the signer; see ``django_q.signing`` for packages."""

from django.core.signing import BadSignature, Signer, TimestampSigner, dumps, loads

__all__ = ["BadSignature", "Signer", "TimestampSigner", "dumps", "loads"]
