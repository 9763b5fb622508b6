"""The command ``python -m django_q.legacy``."""

import argparse
import contextlib
import difflib
import errno
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from django_q.legacy.child_process import translate_in_child_process
from django_q.legacy.translation import Translation

DESCRIPTION = """\
Rewrite source written for Django Q 0.x: the name 'async', reserved since Python 3.7, becomes
'async_task'. Imports, calls and attributes of django_q and django_q.tasks are changed; every other
byte of a file is kept. A file that uses 'async' for something else, or that would not compile
afterwards, is reported and left as it is. Directories are searched for *.py and *.pyw, but not
hidden ones and virtual environments. A link that leads out of a directory is left as it is.
"""
EPILOG = """\
exit status:
  0  nothing to do, or all done
  1  --check: files would be changed
  2  a file can't be translated, read or written; or wrong usage
"""
PYTHON_SUFFIXES = (".py", ".pyw")
SKIPPED_FOLDERS = ("__pycache__", "node_modules")
#: How a file is opened: not through a link, and without waiting; some systems lack these flags.
SAFE_OPEN_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)

EXIT_OK, EXIT_WOULD_CHANGE, EXIT_FAILED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = parser().parse_args(arguments)
    found = find_files(options.paths)
    return max((process_file(path, real, options.action) for path, real in found), default=EXIT_OK)


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


def find_files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each file once, with its real path; of directories their Python files."""
    seen = set()
    for file, real in (found for path in paths for found in find_files_below(path)):
        if real not in seen:
            seen.add(real)
            yield file, real


def find_files_below(path: Path) -> Iterator[tuple[Path, Path]]:
    """Find the Python files of a tree; report and skip those that are links out of it."""
    root = real_path(path)
    if not root.is_dir():
        yield path, root
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if is_searched(Path(folder, name)))
        for file in (
            Path(folder, name) for name in sorted(names) if name.endswith(PYTHON_SUFFIXES)
        ):
            real = real_path(file)
            if not real.is_relative_to(root):
                report_skipped(file, "a link out of the tree")
            elif os.path.lexists(real) and not real.is_file():
                report_skipped(file, "no regular file")
            else:
                yield file, real


def real_path(path: Path) -> Path:
    return Path(os.path.realpath(path))


def report_skipped(path: Path, what: str) -> None:
    print(f"{printable_path(path)}: it is {what}, and is left as it is", file=sys.stderr)


def is_searched(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in SKIPPED_FOLDERS:
        return False
    return not (folder / "pyvenv.cfg").exists()


def process_file(path: Path, real: Path, action: str) -> int:
    """Check, diff or rewrite one file; return an exit status."""
    try:
        data = read(real)
        translation = translate_in_child_process(data, str(path))
        for line, text in (*translation.problems, *translation.remarks):
            print(f"{printable_path(path)}:{line}: {text}", file=sys.stderr)
        if translation.problems:
            return EXIT_FAILED
        return apply_action(path, real, action, translation) if translation.has_changed else EXIT_OK
    except OSError as error:
        print(f"{printable_path(path)}: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED


def read(real: Path) -> bytes:
    """Read a regular file. Others are not opened: opening a device can have side effects."""
    if not stat.S_ISREG(os.stat(real).st_mode):
        raise OSError(errno.EINVAL, "It is no regular file")
    # With flags that are safe if it was replaced by something else meanwhile.
    with open(os.open(real, os.O_RDONLY | SAFE_OPEN_FLAGS), "rb") as file:
        return file.read()


def apply_action(path: Path, real: Path, action: str, translation: Translation) -> int:
    count = "1 name" if translation.count == 1 else f"{translation.count} names"
    if action == "diff":
        show_diff(path, read(real), translation.data)
    elif action == "write":
        write(real, translation.data)
        print(f"rewrote {printable_path(path)} ({count})")
    else:
        print(f"would rewrite {printable_path(path)} ({count})")
        return EXIT_WOULD_CHANGE
    return EXIT_OK


def printable_path(path: Path) -> str:
    """Escape the characters of a path that the terminal's encoding does not have."""
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


def write(real: Path, data: bytes) -> None:
    """Replace a file in one step, keeping its owner and its permissions."""
    descriptor, temporary = tempfile.mkstemp(dir=real.parent, prefix=".django_q.")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        copy_permissions(real, temporary)
        os.replace(temporary, real)
    except BaseException:
        os.unlink(temporary)
        raise


def copy_permissions(source: Path, target: str) -> None:
    """Give a file the owner, the access lists and the mode of another.

    In this order, as a change of owner takes the set-uid bits away. They are not set
    again where the owner can not be kept: they would let others run it as another user.
    """
    stats = source.stat()
    mode = stat.S_IMODE(stats.st_mode)
    if hasattr(os, "chown"):
        try:
            os.chown(target, stats.st_uid, stats.st_gid)
        except PermissionError:  # only root may give files away
            if (os.stat(target).st_uid, os.stat(target).st_gid) != (stats.st_uid, stats.st_gid):
                mode &= ~(stat.S_ISUID | stat.S_ISGID)
    if hasattr(os, "listxattr"):
        for name in os.listxattr(source):
            with contextlib.suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
    os.chmod(target, mode)


if __name__ == "__main__":
    sys.exit(main())
