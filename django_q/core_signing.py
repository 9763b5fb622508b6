"""Where django-q2 keeps its signer. Packages are signed in ``django_q.signing``."""

from django.core.signing import BadSignature, Signer, TimestampSigner, dumps, loads

__all__ = ["BadSignature", "Signer", "TimestampSigner", "dumps", "loads"]
