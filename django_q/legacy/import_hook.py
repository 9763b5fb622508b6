"""Make modules written for Django Q 0.x importable as they are."""

import marshal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType, ModuleType

from django_q.legacy.source import SOURCE_ERRORS, compile_source, read_source

#: Part of the name of cached bytecode: counts the changes to what ``compile_source`` makes.
BYTECODE_VERSION = 1


class LegacyLoader(SourceFileLoader):
    """Loads a module as usual and, only if that fails, with ``async`` as a name."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        if code := self._read_bytecode(path):
            return code
        try:
            return super().get_code(fullname)
        except SyntaxError:
            data = self.get_data(path)
            if not uses_async_name(data):
                raise
        # Outside of the handler: another mistake in the file is shown without the first error.
        return self._compile(path, data)

    def _compile(self, path: str, data: bytes) -> CodeType:
        header = self._header(path)
        code = compile_source(data, path)
        if (cache := cache_path(path)) and not sys.dont_write_bytecode:
            # Gives the file the mode of the source, which set_data alone does not.
            self._cache_bytecode(path, cache, header + marshal.dumps(code))
        return code

    def _read_bytecode(self, path: str) -> CodeType | None:
        """Read the bytecode that an earlier import has left, if it is that of this file."""
        try:
            data = self.get_data(cache_path(path) or "")
            if data[:16] != self._header(path):
                return None
            code = marshal.loads(data[16:])
        except (OSError, EOFError, ValueError, TypeError):
            return None
        # The directory may have been moved: tracebacks must name the file at its present path.
        return code if isinstance(code, CodeType) and code.co_filename == path else None

    def _header(self, path: str) -> bytes:
        """Head the bytecode as Python does: magic number, flags, time and size of the source."""
        stats = self.path_stats(path)
        numbers = (0, int(stats["mtime"]), stats["size"])
        return MAGIC_NUMBER + b"".join((n & 0xFFFFFFFF).to_bytes(4, "little") for n in numbers)


class LegacyFinder:
    """Finds modules by the other finders, and has ``LegacyLoader`` load their source files."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module by the finders that follow this one."""
        behind = sys.meta_path.index(cls) + 1 if cls in sys.meta_path else len(sys.meta_path)
        for finder in sys.meta_path[behind:]:
            find_spec = getattr(finder, "find_spec", None)
            if spec := find_spec and find_spec(fullname, path, target):
                return with_legacy_loader(spec)
        return None


def install() -> None:
    """Make modules that use the name ``async`` importable in this process.

    Best called first thing in the settings module, which every process of a cluster imports.
    Other modules are loaded as before. Calling it again does nothing.
    """
    if LegacyFinder not in sys.meta_path:
        sys.meta_path.insert(0, LegacyFinder)


def uninstall() -> None:
    """Undo ``install``. Modules that are imported already stay."""
    if LegacyFinder in sys.meta_path:
        sys.meta_path.remove(LegacyFinder)


def with_legacy_loader(spec: ModuleSpec) -> ModuleSpec:
    """Make ``LegacyLoader`` the loader of a module that is, or may be, written for Django Q 0.x."""
    loader = spec.loader
    if type(loader) is SourceFileLoader:
        spec.loader = LegacyLoader(loader.name, loader.path)
    elif spec.has_location and str(spec.origin).endswith(".py") and is_legacy(spec.origin):
        # Loaders that compile for themselves, such as the one by which pytest rewrites asserts.
        spec.loader = LegacyLoader(spec.name, spec.origin)
    return spec


def is_legacy(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return uses_async_name(file.read())
    except OSError:
        return False


def uses_async_name(data: bytes) -> bool:
    """Return True if ``async`` is a name in this source."""
    try:
        return bool(read_source(data).offsets)
    except SOURCE_ERRORS:
        return False


def cache_path(path: str) -> str | None:
    """Return the path of the bytecode of a source; None where Python caches none."""
    try:
        return cache_from_source(path, optimization=f"async{BYTECODE_VERSION}o{sys.flags.optimize}")
    except NotImplementedError:
        return None
