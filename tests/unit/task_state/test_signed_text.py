import pytest
from django.test import override_settings

from django_q.signing import BadSignature
from django_q.task_state.signed_text import ATTEMPTS, POSITION, read_signed_text, sign_text

VALUE = {"0": 12, "name": "ä"}


def test_a_signed_value_is_read_as_it_was_written():
    text = sign_text(POSITION, "a" * 32, VALUE)

    assert text.isascii()
    assert read_signed_text(POSITION, "a" * 32, text) == VALUE


@pytest.mark.parametrize(
    ("purpose", "subject", "change"),
    [
        (ATTEMPTS, "a" * 32, lambda text: text),
        (POSITION, "b" * 32, lambda text: text),
        (POSITION, "a" * 32, lambda text: text[:-1]),
        (POSITION, "a" * 32, lambda text: text.replace("12", "13")),
        (POSITION, "a" * 32, lambda text: ""),
        (POSITION, "a" * 32, lambda text: "\udcff:ä"),
    ],
    ids=["purpose", "task", "cut", "changed", "empty", "junk"],
)
def test_what_was_signed_for_something_else_or_was_changed_is_refused(purpose, subject, change):
    text = change(sign_text(POSITION, "a" * 32, VALUE))

    with pytest.raises(BadSignature):
        read_signed_text(purpose, subject, text)


def test_a_value_that_was_signed_with_a_former_key_is_read():
    with override_settings(SECRET_KEY="former"):
        text = sign_text(POSITION, "a", VALUE)

    with override_settings(SECRET_KEY_FALLBACKS=["former"]):
        assert read_signed_text(POSITION, "a", text) == VALUE
