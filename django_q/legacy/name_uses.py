"""Find out which uses of the name ``async`` may be renamed: only those of Django Q's function."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from textwrap import shorten

from django_q.legacy.lexer import ASYNC_NAME

ASYNC_TASK_NAME = "async_task"
DJANGO_Q_MODULES = ("django_q", "django_q.tasks")
DJANGO_Q_PATHS = {
    f"{home}.{name}" for home in DJANGO_Q_MODULES for name in (ASYNC_NAME, ASYNC_TASK_NAME)
}
#: Origin of a name that the module makes itself: a variable, a parameter, a function.
LOCAL_ORIGIN = ""

Bindings = dict[str, set[str]]

SCOPE_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
DOTTED_ASYNC_PATTERN = re.compile(rf"\w+(\.\w+)*\.{ASYNC_NAME}")
BY_HAND_ADVICE = "rename it by hand"


class AsyncNameUses:
    """Checks each use of the name in a tree, by the rules of Python's scopes.

    ``problems`` holds what must not be renamed, ``strings`` the dotted paths that name the
    ``async`` of some module; both as (line, text).
    """

    def __init__(self, tree: ast.Module) -> None:
        self.problems: set[tuple[int, str]] = set()
        self.strings: set[tuple[int, str]] = set()
        self.scopes: list[tuple[ast.AST, Bindings]] = []
        self.visit_scope(tree)

    # Walking: with a list and not by recursion, as expressions may be nested deeper than calls.

    def visit_scope(self, scope: ast.AST) -> None:
        self.scopes.append((scope, bindings(scope)))
        nodes = body_nodes(scope)
        while nodes:
            node = nodes.pop()
            self.visit_node(node)
            if isinstance(node, SCOPE_NODES):
                self.visit_scope(node)
                nodes.extend(enclosing_nodes(node))
            else:
                nodes.extend(ast.iter_child_nodes(node))
        self.scopes.pop()

    def visit_node(self, node: ast.AST) -> None:
        if ASYNC_NAME in identifiers_in(node):
            self.check_node(node)
        match node:
            case ast.Name(id=name) if name == ASYNC_TASK_NAME:
                if self.depth_of(ASYNC_NAME) >= max(self.depth_of(ASYNC_TASK_NAME), 0):
                    self.check_name_clash(node)
            case ast.Assign() | ast.AugAssign():
                self.check_dunder_all(node)
            case ast.Constant(value=str(path)):
                if DOTTED_ASYNC_PATTERN.fullmatch(path) and path not in DJANGO_Q_PATHS:
                    self.strings.add((node.lineno, f"the string '{path}' is left as it is"))

    # Checking

    def check_node(self, node: ast.AST) -> None:
        match node:
            case ast.Name() | ast.Global() | ast.Nonlocal() | ast.ExceptHandler():
                self.check_name(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.check_name(node)
            case ast.Import() | ast.ImportFrom():
                self.check_import(node)
            case ast.Attribute():
                self.check_attribute(node)
            case ast.keyword():
                text = "is an argument's name: write what the called function takes today"
                self.add_problem(node, f"'{ASYNC_NAME}' {text}, or **{{'{ASYNC_NAME}': ...}}")
            case ast.arg():
                text = (
                    f"'{ASYNC_NAME}' is a parameter that callers may pass by name: {BY_HAND_ADVICE}"
                )
                self.add_problem(node, text)
            case _:
                self.add_problem(node, f"'{ASYNC_NAME}' is not Django Q's here: {BY_HAND_ADVICE}")

    def check_name(self, node: ast.AST) -> None:
        origins = self.origins_of_name(ASYNC_NAME)
        if isinstance(self.scopes[-1][0], ast.ClassDef) and not is_read(node):
            self.add_problem(
                node, f"'{ASYNC_NAME}' becomes an attribute of the class here: {BY_HAND_ADVICE}"
            )
        elif not origins:
            self.add_problem(node, f"'{ASYNC_NAME}' is not imported from django_q in this module")
        elif not are_django_q(origins):
            self.add_problem(node, f"'{ASYNC_NAME}' is not Django Q's here: {BY_HAND_ADVICE}")
        elif self.depth_of(ASYNC_TASK_NAME) >= max(self.depth_of(ASYNC_NAME), 0):
            self.check_name_clash(node)

    def check_name_clash(self, node: ast.AST) -> None:
        """Report an ``async_task`` that is not Django Q's: renaming would make the two one name."""
        origins = self.origins_of_name(ASYNC_TASK_NAME)
        if not origins or not origins <= DJANGO_Q_PATHS:
            text = f"another '{ASYNC_TASK_NAME}' is here: import '{ASYNC_NAME} as' some other name"
            self.add_problem(node, text)

    def check_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            path = import_path(node, alias)
            if ASYNC_NAME in path.split(".") and path not in DJANGO_Q_PATHS:
                text = f"import {ASYNC_TASK_NAME} from django_q.tasks, or {BY_HAND_ADVICE}"
                self.add_problem(node, f"'{path}' is not known to be Django Q's: {text}")
            elif (alias.asname or alias.name) == ASYNC_NAME:
                self.check_name(node)

    def check_attribute(self, node: ast.Attribute) -> None:
        if not are_django_q(self.origins(node)):
            owner = shorten(ast.unparse(node.value), 40, placeholder="...")
            text = f"write the name it has today, or getattr({owner}, '{ASYNC_NAME}')"
            self.add_problem(node, f"'{owner}.{ASYNC_NAME}' is not known to be Django Q's: {text}")

    def check_dunder_all(self, node: ast.Assign | ast.AugAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        offered = [item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant)]
        if ASYNC_NAME in offered and any(is_name(target, "__all__") for target in targets):
            self.add_problem(
                node, f"__all__ offers '{ASYNC_NAME}' to other modules: {BY_HAND_ADVICE}"
            )

    def add_problem(self, node: ast.AST, text: str) -> None:
        self.problems.add((node.lineno, text))

    # Looking up

    def origins(self, node: ast.AST) -> set[str]:
        """Name what an expression may be, as dotted paths."""
        if isinstance(node, ast.Name):
            return self.origins_of_name(node.id)
        if isinstance(node, ast.Attribute):
            return {origin and f"{origin}.{node.attr}" for origin in self.origins(node.value)}
        return set()

    def origins_of_name(self, name: str) -> set[str]:
        depth = self.depth_of(name)
        if depth >= 0:
            return self.scopes[depth][1][name]
        stars = self.scopes[0][1].get("*", ())
        return DJANGO_Q_PATHS.intersection(star.replace("*", name) for star in stars)

    def depth_of(self, name: str) -> int:
        """Find the innermost scope that binds a name and is seen from here; -1: there is none."""
        for depth, (scope, names) in reversed(list(enumerate(self.scopes))):
            hidden = isinstance(scope, ast.ClassDef) and depth < len(self.scopes) - 1
            if name in names and not hidden:
                return depth
        return -1


def body_nodes(scope: ast.AST) -> list[ast.AST]:
    """List the nodes of a scope that see its names: its body."""
    return list(scope.body) if isinstance(scope.body, list) else [scope.body]


def enclosing_nodes(scope: ast.AST) -> list[ast.AST]:
    """List the nodes of a scope that belong to the one around: decorators, defaults, bases."""
    body = {id(node) for node in body_nodes(scope)}
    return [node for node in ast.iter_child_nodes(scope) if id(node) not in body]


def bindings(scope: ast.AST) -> Bindings:
    """Map the names that a scope binds to their origins."""
    found: Bindings = defaultdict(set)
    elsewhere: set[str] = set()
    nodes = list(ast.iter_child_nodes(scope))
    while nodes:
        node = nodes.pop()
        for name, origin in bound_names(node):
            found[name].add(origin)
        if isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        if not isinstance(node, SCOPE_NODES) and not is_alias_assignment(node):
            nodes.extend(ast.iter_child_nodes(node))
    return {name: found[name] for name in found.keys() - elsewhere}


def bound_names(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what a node binds: a name and its origin, a dotted path or ``LOCAL_ORIGIN``."""
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                root = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (root, root)
        case ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name, import_path(node, alias)
        case ast.Assign() if is_alias_assignment(node):
            # Whether it is Django Q's is decided where the name on the right comes from.
            yield node.targets[0].id, f"django_q.tasks.{ASYNC_TASK_NAME}"
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            yield name, LOCAL_ORIGIN
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, LOCAL_ORIGIN
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name, LOCAL_ORIGIN


def identifiers_in(node: ast.AST) -> list[str]:
    """List the identifiers in a node itself; those of an import are the parts of its paths."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        paths = [import_path(node, alias) for alias in node.names]
        paths += [alias.asname for alias in node.names if alias.asname]
        return [part for path in paths for part in path.split(".")]
    if isinstance(node, ast.Constant | ast.alias):
        return []
    values = [value for _, value in ast.iter_fields(node)]
    lists = [item for value in values if isinstance(value, list) for item in value]
    return [value for value in [*values, *lists] if isinstance(value, str)]


def import_path(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """Spell what an import names as one dotted path."""
    if isinstance(node, ast.Import):
        return alias.name
    return "." * node.level + (f"{node.module}." if node.module else "") + alias.name


def are_django_q(origins: set[str]) -> bool:
    """Return True if a name is Django Q's; a fallback that its module defines itself may exist."""
    return bool(origins - {LOCAL_ORIGIN}) and origins - {LOCAL_ORIGIN} <= DJANGO_Q_PATHS


def is_alias_assignment(node: ast.AST) -> bool:
    """Return True for ``async_task = async`` and ``async = async_task``."""
    both = (ASYNC_NAME, ASYNC_TASK_NAME)
    match node:
        case ast.Assign(targets=[ast.Name(id=target)], value=ast.Name(id=value)):
            return target in both and value in both
    return False


def is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
