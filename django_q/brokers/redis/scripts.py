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

    def __init__(self, name: str, prelude: str = "prelude") -> None:
        names = (prelude, name) if prelude else (name,)
        body = "\n".join(map(read_script, names))
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


take = Script("take")
acknowledge = Script("acknowledge")
extend = Script("extend")
release = Script("release")
enqueue_delayed = Script("enqueue_delayed")
read = Script("read")
move_to_dead_letters = Script("move_to_dead_letters")
delete = Script("delete")
purge = Script("purge")
sizes = Script("sizes")
stats = Script("stats", prelude="")
enqueue_once = Script("enqueue_once", prelude="")
restore = Script("restore")
check_permissions = Script("check_permissions")
