"""Finished tasks, made by one statement."""

from __future__ import annotations

from typing import Any

#: A pickled traceback, as a failure has it.
RESULT = "gASVFgAAAAAAAACMElZhbHVlRXJyb3IoJ25vJykgOpQu"

STATEMENTS = {
    "postgresql": """
        INSERT INTO django_q_task (id, name, func, "group", cluster, result, started, stopped,
            success, attempt_count)
        SELECT md5(n::text), 'name-' || n, 'shop.tasks.number_' || (n % 50), 'group-' || (n % 500),
            'shop', '{result}', now() - n * interval '1 second', now() - n * interval '1 second',
            n % 10 > 0, 1 FROM generate_series(1, {rows}) AS n""",
    "sqlite": """
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})
        INSERT INTO django_q_task (id, name, func, "group", cluster, result, started, stopped,
            success, attempt_count)
        SELECT lower(hex(randomblob(16))), 'name-' || n, 'shop.tasks.number_' || (n % 50),
            'group-' || (n % 500), 'shop', '{result}', datetime('now', '-' || n || ' seconds'),
            datetime('now', '-' || n || ' seconds'), n % 10 > 0, 1 FROM numbers""",
}


def insert_tasks(connection: Any, rows: int) -> None:
    """Insert finished tasks, every tenth a failure, and let the database count them."""
    with connection.cursor() as cursor:
        if rows:
            cursor.execute(STATEMENTS[connection.vendor].format(rows=rows, result=RESULT))
        cursor.execute("ANALYZE")
