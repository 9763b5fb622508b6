"""Importing source written for Django Q 0.x as it is."""

import importlib
import importlib.util
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from django_q.legacy import import_hook, install, uninstall
from tests.legacy_samples import corpus

SAMPLE = "from math import copysign as async\n\nvalue = async(2, -2)\n"


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Write a module and import it as new: ``load("shop.views", "async = 1")``."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def forget() -> None:
        for name in set(sys.modules) - before:
            del sys.modules[name]

    def load(name: str, source: str | bytes | None = None) -> ModuleType:
        if source is not None:
            path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.encode() if isinstance(source, str) else source)
        forget()
        importlib.invalidate_caches()
        return importlib.import_module(name)

    install()
    yield load
    uninstall()
    forget()


def caches(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.pyc"))


def test_a_module_that_uses_the_name_is_imported(load: Callable) -> None:
    module = load("old", SAMPLE)

    assert module.value == -2
    assert vars(module)["async"] is __import__("math").copysign
    assert importlib.util.find_spec("old").loader.get_source("old") == SAMPLE


def test_the_name_stays_what_it_was_everywhere(load: Callable) -> None:
    module = load(
        "old",
        """
class Job:
    async = "class"
    def run(self, async=None, **options):
        return self.async, async, options

def async(func, **options):
    return options

shown = f'{async.__name__=}'
keyword = dict(async=Job().run(async=1))
options = async(None, async=2)
async def coroutine(x):
    async with x as async: return [async async for async in async]
""",
    )

    assert module.keyword == {"async": ("class", 1, {})}
    assert module.options == {"async": 2}
    assert module.shown == "async.__name__='async'"
    assert module.coroutine.__code__.co_varnames[:2] == ("x", "async")


@pytest.mark.parametrize(
    "sample",
    [*corpus.REWRITTEN, *(text for text, _, why in corpus.PROBLEMS if "compile" not in why)],
)
def test_all_that_old_pythons_compile_is_compiled(tmp_path: Path, sample: str) -> None:
    path = tmp_path / "old.py"
    path.write_text(sample.replace("ASYNC", "async"))

    assert import_hook.LegacyLoader("old", str(path)).get_code("old").co_filename == str(path)


def test_packages_submodules_and_namespace_packages(load: Callable, tmp_path: Path) -> None:
    (tmp_path / "space" / "shop").mkdir(parents=True)
    (tmp_path / "space" / "shop" / "__init__.py").write_text("from .queue import async\n")
    (tmp_path / "space" / "shop" / "queue.py").write_text("from math import floor as async\n")

    module = load("space.shop.views", "from . import async\nfrom .queue import async as a\n")

    assert vars(module)["async"] is module.a


def test_a_module_of_the_name_is_imported(load: Callable, tmp_path: Path) -> None:
    (tmp_path / "async.py").write_text("value = 1\n")

    assert load("old", "import async\nfrom async import value\n").value == 1


def test_any_encoding_is_read(load: Callable) -> None:
    source = "# coding: latin-1\r\nasync = 'é'\r\n".encode("latin-1")

    assert vars(load("old", source))["async"] == "é"


def test_other_modules_are_loaded_as_ever(load: Callable, tmp_path: Path) -> None:
    module = load("new", "async def f(): pass\n")

    assert caches(tmp_path) == [Path(importlib.util.cache_from_source("new.py")).name]
    assert module.__spec__.origin == str(tmp_path / "new.py")


def test_tracebacks_show_the_source(load: Callable) -> None:
    module = load("old", "def async(x):\n    return 1 + async.wrong(x)\n\nvalue = 'é', 2\n")

    with pytest.raises(AttributeError) as caught:
        vars(module)["async"](1)

    shown = traceback.format_exception(caught.value)[-2]
    assert "old.py" in shown
    assert "line 2, in async\n    return 1 + async.wrong(x)\n" in shown
    if sys.version_info >= (3, 11):
        assert "               ^^^^^^^^^^^\n" in shown


def test_a_mistake_besides_the_name_is_shown_where_it_is(load: Callable) -> None:
    with pytest.raises(SyntaxError) as caught:
        load("old", "async = 1\nprint(async\n")

    assert (caught.value.lineno, caught.value.text.strip()) == (2, "print(async")
    assert caught.value.__context__ is None


def test_a_mistake_in_another_module_is_untouched(load: Callable) -> None:
    with pytest.raises(SyntaxError) as caught:
        load("new", "x = (\n# async\n")

    assert not [frame for frame in traceback.extract_tb(caught.tb) if frame.name == "_compile"]


def test_bytecode_is_cached_apart(
    load: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("old", SAMPLE)
    monkeypatch.setattr(import_hook, "compile_source", None)  # would be called in vain

    assert load("old").value == -2
    assert caches(tmp_path) == [Path(import_hook.cache_path("old.py")).name]
    assert "opt-async1o" in caches(tmp_path)[0]


@pytest.mark.parametrize("change", ["size", "time", "translator", "junk", "short", "no code"])
def test_cached_bytecode_that_is_not_of_this_source_is_left(
    load: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    load("old", SAMPLE)
    path, stats = tmp_path / "old.py", (tmp_path / "old.py").stat()
    cache = Path(import_hook.cache_path(str(path)))
    changed = "value = async = 5555\n" + "#" * (len(SAMPLE) - 22)
    path.write_text(changed + ("more" if change == "size" else "\n"))
    os.utime(path, (stats.st_mtime, stats.st_mtime + (9 if change == "time" else 0)))
    if change == "translator":
        monkeypatch.setattr(import_hook, "BYTECODE_VERSION", 2)
    elif change in ("junk", "short", "no code"):
        content = {"junk": b"junk", "short": b"c", "no code": b"N"}[change]
        cache.write_bytes(cache.read_bytes()[:16] + content)

    assert load("old").value == 5555


def test_a_directory_that_was_moved_is_compiled_anew(load: Callable, tmp_path: Path) -> None:
    load("one.old", SAMPLE)
    (tmp_path / "one").rename(tmp_path / "two")

    assert load("two.old").__file__ == str(tmp_path / "two" / "old.py")
    assert import_hook.LegacyLoader("two.old", str(tmp_path / "two" / "old.py")).get_code(
        "two.old"
    ).co_filename == str(tmp_path / "two" / "old.py")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_bytecode_is_as_private_as_the_source(load: Callable, tmp_path: Path) -> None:
    load("old", "value = 1")
    (tmp_path / "old.py").write_text(SAMPLE)
    (tmp_path / "old.py").chmod(0o600)

    load("old")

    assert Path(import_hook.cache_path(str(tmp_path / "old.py"))).stat().st_mode & 0o777 == 0o600


def test_no_bytecode_is_written_where_python_writes_none(
    load: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    assert load("old", SAMPLE).value == -2
    assert caches(tmp_path) == []


def test_a_module_runs_as_a_program(load: Callable) -> None:
    load("old", SAMPLE)

    assert runpy.run_module("old", run_name="__main__")["value"] == -2


def test_a_module_is_reloaded(load: Callable, tmp_path: Path) -> None:
    module = load("old", SAMPLE)
    (tmp_path / "old.py").write_text("async = value = 'another'\n")

    assert importlib.reload(module).value == "another"


class Compiler(SourceFileLoader):
    """Compiles for itself, as the loader of test modules in pytest does."""

    def get_code(self, fullname: str) -> None:
        raise AssertionError("compiled by another loader")


def test_other_loaders_leave_what_they_can_not_compile(load: Callable, tmp_path: Path) -> None:
    path = tmp_path / "old.py"
    path.write_text(SAMPLE)
    spec = ModuleSpec("old", Compiler("old", str(path)), origin=str(path))
    spec.has_location = True

    assert type(import_hook.with_legacy_loader(spec).loader) is import_hook.LegacyLoader

    path.write_text("async def f(): pass")
    spec.loader = Compiler("old", str(path))

    assert type(import_hook.with_legacy_loader(spec).loader) is Compiler


def test_installing_twice_is_installing_once() -> None:
    before = list(sys.meta_path)
    install()
    install()

    assert sys.meta_path == [import_hook.LegacyFinder, *before]

    uninstall()
    uninstall()

    assert sys.meta_path == before


def test_uninstalled_it_does_nothing(load: Callable) -> None:
    load("old", SAMPLE)
    uninstall()

    with pytest.raises(SyntaxError):
        load("old")
    assert import_hook.LegacyFinder.find_spec("old") is None
