"""Load the Lua scripts of the Redis broker, and run them inside the server."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

#: The Lua files by name, in whichever folder below ``lua`` they are.
LUA_FILES = {path.stem: path for path in (Path(__file__).parent / "lua").rglob("*.lua")}


class Script:
    """A Lua script, which the server caches by its digest."""

    def __init__(self, name: str, preludes: tuple[str, ...] = ("prelude",)) -> None:
        #: The files it is made of, inside of the error wrapper.
        self.files = (*preludes, name)
        body = "\n".join(map(read_script, self.files))
        self.text = read_script("error_wrapper").replace("-- THE SCRIPT", body)
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def evalsha_command(self, keys: tuple, *args: Any) -> tuple:
        """Return the command that runs the script by its digest, if the server has it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *args)

    def eval_command(self, keys: tuple, *args: Any) -> tuple:
        """Return the command that runs the script by its text, on any server."""
        return ("EVAL", self.text, len(keys), *keys, *args)

    def run(self, client: Any, keys: tuple, *args: Any) -> Any:
        """Run the script. Strings in the reply are bytes, however the client decodes others."""
        try:
            return client.execute_command(*self.evalsha_command(keys, *args), NEVER_DECODE=True)
        except NoScriptError:  # the server was restarted, or its cache of scripts was flushed
            return client.execute_command(*self.eval_command(keys, *args), NEVER_DECODE=True)


def microseconds(seconds: float) -> int:
    """Convert seconds to microseconds, the unit of times in scripts."""
    return int(seconds * 1_000_000)


def read_script(name: str) -> str:
    """Read the Lua file of this name."""
    return LUA_FILES[name].read_text()


#: What scripts for tasks with terms begin with, and those that are given terms.
TASKS = ("prelude", "task_prelude")
CALLS = (*TASKS, "task_calls")
#: What scripts begin with that are given what is to be kept.
KEPT, KEPT_TASKS = ("prelude", "kept_texts"), (*TASKS, "kept_texts")
#: What scripts about notices begin with.
ORDERS = ("orders_prelude",)

take = Script("take", ("prelude", "leasing"))
acknowledge = Script("acknowledge")
extend = Script("extend")
release = Script("release", KEPT)
enqueue_delayed = Script("enqueue_delayed")
read = Script("read", TASKS)
move_to_dead_letters = Script("move_to_dead_letters", TASKS)
delete = Script("delete", TASKS)
purge = Script("purge", TASKS)
sizes = Script("sizes", TASKS)
stats = Script("stats", ())
enqueue_once = Script("enqueue_once", ())
restore = Script("restore")
check_permissions = Script("check_permissions")
enqueue_task = Script("enqueue_task", ())
enqueue_tasks = Script("enqueue_tasks", CALLS)
find_duplicate = Script("find_duplicate", CALLS)
replace_task = Script("replace_task", CALLS)
take_tasks = Script("take_tasks", (*TASKS, "leasing"))
acknowledge_tasks = Script("acknowledge_tasks", TASKS)
extend_tasks = Script("extend_tasks", TASKS)
release_tasks = Script("release_tasks", KEPT_TASKS)
find_task = Script("find_task", TASKS)
list_tasks = Script("list_tasks", TASKS)
keep_state = Script("keep_state", KEPT_TASKS)
cancel_task = Script("cancel_task", KEPT_TASKS)
post_notice = Script("post_notice", ORDERS)
withdraw_notices = Script("withdraw_notices", ORDERS)
read_notices = Script("read_notices", ORDERS)
