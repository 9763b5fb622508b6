"""The command ``python -m django_q.legacy``."""

import argparse
import contextlib
import difflib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from django_q.legacy.translation import Translation, translate

DESCRIPTION = """\
Rewrite source written for Django Q 0.x: the name 'async', reserved since Python 3.7, becomes
'async_task'. Imports, calls and attributes of django_q and django_q.tasks are changed; every other
byte of a file is kept. A file that uses 'async' for something else, or that would not compile
afterwards, is reported and left as it is. Directories are searched for *.py and *.pyw, but not
hidden ones and virtual environments.
"""
EPILOG = """\
exit status:
  0  nothing to do, or all done
  1  --check: files would be changed
  2  a file can't be translated, read or written; or wrong usage
"""
SUFFIXES = (".py", ".pyw")
SKIPPED = ("__pycache__", "node_modules")

OK, WOULD_CHANGE, FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = parser().parse_args(arguments)
    return max((run(path, options.action) for path in files(options.paths)), default=OK)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m django_q.legacy",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_mutually_exclusive_group()
    for action, text in (
        ("check", "name the files that would be changed (this is done unless told otherwise)"),
        ("diff", "print what would be changed"),
        ("write", "change the files"),
    ):
        actions.add_argument(
            f"--{action}", dest="action", action="store_const", const=action, help=text
        )
    parser.set_defaults(action="check")
    parser.add_argument("paths", nargs="+", metavar="PATH", type=Path, help="file or directory")
    return parser


def files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield each file once; directories give their Python files."""
    seen = set()
    for file in (file for path in paths for file in walk(path)):
        if (real := os.path.realpath(file)) not in seen:
            seen.add(real)
            yield file


def walk(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if is_searched(Path(folder, name)))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(SUFFIXES))


def is_searched(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in SKIPPED:
        return False
    return not (folder / "pyvenv.cfg").exists()


def run(path: Path, action: str) -> int:
    """Do what is asked with one file; return an exit status."""
    try:
        data = path.read_bytes()
        translation = translate(data, str(path))
        for line, text in (*translation.problems, *translation.remarks):
            print(f"{printable(path)}:{line}: {text}", file=sys.stderr)
        if translation.problems:
            return FAILED
        return act(path, action, data, translation) if translation.has_changed else OK
    except OSError as error:
        print(f"{printable(path)}: {error.strerror or error}", file=sys.stderr)
        return FAILED


def act(path: Path, action: str, data: bytes, translation: Translation) -> int:
    count = "1 name" if translation.count == 1 else f"{translation.count} names"
    if action == "diff":
        show_diff(path, data, translation.data)
    elif action == "write":
        write(path, translation.data)
        print(f"rewrote {printable(path)} ({count})")
    else:
        print(f"would rewrite {printable(path)} ({count})")
        return WOULD_CHANGE
    return OK


def printable(path: Path) -> str:
    """Spell a path so that any terminal takes it, whatever bytes are in the name."""
    encoding = sys.stdout.encoding or "utf-8"
    return str(path).encode(encoding, "backslashreplace").decode(encoding)


def show_diff(path: Path, old: bytes, new: bytes) -> None:
    """Print a unified diff in the bytes of the file, so that it can be applied."""
    name = os.fsencode(path)
    sys.stdout.flush()
    for line in difflib.diff_bytes(difflib.unified_diff, lines(old), lines(new), name, name):
        end = b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n"
        sys.stdout.buffer.write(line + end)
    sys.stdout.buffer.flush()


def lines(data: bytes) -> list[bytes]:
    return io.BytesIO(data).readlines()


def write(path: Path, data: bytes) -> None:
    """Replace a file in one step, keeping its mode and owner; a link keeps being one."""
    real = Path(os.path.realpath(path))
    descriptor, temporary = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        shutil.copymode(real, temporary)
        copy_owner(real, temporary)
        os.replace(temporary, real)
    except BaseException:
        os.unlink(temporary)
        raise


def copy_owner(source: Path, target: str) -> None:
    if hasattr(os, "chown"):
        stats = source.stat()
        # Only root may give files away; everyone else owns what they write, as ever.
        with contextlib.suppress(PermissionError):
            os.chown(target, stats.st_uid, stats.st_gid)


if __name__ == "__main__":
    sys.exit(main())
