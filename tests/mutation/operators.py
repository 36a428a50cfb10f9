"""Small changes of a program, each of which some test should notice.

Docstrings, annotations, decorators, imports, messages of errors and of logs, and formatted strings
stay as they are.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {
    **{"mean": "sum", "sum": "mean", "min": "max", "max": "min", "amin": "amax", "amax": "amin"},
    **{"minimum": "maximum", "maximum": "minimum", "argmin": "argmax", "argmax": "argmin"},
    **{"logsumexp": "sum", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"},
    **{"zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "ones_like": "zeros_like"},
    **{"log1p": "log", "expm1": "exp", "sample": "mean", "rsample": "sample", "float64": "float32"},
    **{"no_grad": "enable_grad", "std": "var", "var": "std", "median": "mean"},
    **{"union": "intersection", "isnan": "isinf", "cumsum": "cumprod"},
}
# Methods whose call is dropped: `x.detach()` becomes `x`.
DROPPED = {"abs", "clone", "detach", "double", "exp", "log", "sqrt", "square", "flatten", "lower"}
SAID = {"warn", "debug", "info", "warning", "error", "print", "write", "say"}
Span = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the bytes of `span` become `text`."""

    file: str
    place: str
    line: int
    last_line: int
    span: Span
    text: str
    was: str
    now: str

    @property
    def key(self) -> str:
        return f"{self.file} {self.place}: {self.was} -> {self.now}"

    def apply(self, source: bytes) -> bytes:
        begin, end = self.span
        return source[:begin] + self.text.encode() + source[end:]

    @property
    def in_function(self) -> bool:
        """Whether the change is in a function, where it can be put in when all is loaded."""
        return self.place.endswith("()")


def mutants(file: str, source: bytes) -> list[Mutant]:
    """All changes of this file, in its order; equal changes of one place are told apart by #2."""
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for mutant in _Visitor(file, source).module():
        count = seen[mutant.key] = seen.get(mutant.key, 0) + 1
        if count > 1:
            mutant = Mutant(**{**vars(mutant), "now": f"{mutant.now}  #{count}"})
        found.append(mutant)
    return found


class _Visitor:
    """Walks a module and yields the changes of every node but those that only speak to people."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.starts = starts

    def module(self) -> Iterator[Mutant]:
        yield from self.statements(ast.parse(self.source).body, "")

    def statements(self, body: list[ast.stmt], place: str) -> Iterator[Mutant]:
        for statement in body:
            yield from self.statement(statement, place)

    def statement(self, node: ast.stmt, place: str) -> Iterator[Mutant]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{place.removesuffix('()')}{'.' if place else ''}{node.name}"
            for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
                yield from self.expression(default, place or "module", default)
            yield from self.statements(node.body, f"{inner}()")
        elif isinstance(node, ast.ClassDef):
            inner = f"{place.removesuffix('()')}{'.' if place else ''}{node.name}"
            yield from self.statements(node.body, inner)
        elif isinstance(node, ast.AnnAssign):
            if node.value:
                yield from self.expression(node.value, place or "module", node)
        elif _is_left_alone(node):
            return
        else:
            yield from self.parts(node, place or "module")

    def parts(self, node: ast.stmt, place: str) -> Iterator[Mutant]:
        """Changes of a statement: of its own expressions, and of the statements inside it."""
        if _deletable(node):
            yield self.change(node, node, "pass", place)
        if isinstance(node, ast.If | ast.While):
            for forced in (True, False)[isinstance(node, ast.While) :]:
                yield self.change(node.test, node, ast.Constant(forced), place)
        match node:
            case ast.Return(value=ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div())):
                yield self.change(node.value, node, ast.UnaryOp(ast.USub(), node.value), place)
        for name, value in ast.iter_fields(node):
            values = value if isinstance(value, list) else [value]
            for part in values:
                if isinstance(part, ast.stmt):
                    inside = "" if place == "module" else place
                    yield from self.statement(part, inside)
                elif isinstance(part, ast.ExceptHandler):
                    yield from self.statements(part.body, "" if place == "module" else place)
                elif isinstance(part, ast.withitem):
                    yield from self.expression(part.context_expr, place, node)
                elif isinstance(part, ast.match_case):
                    yield from self.statements(part.body, place)
                elif isinstance(part, ast.expr) and name not in ("target", "targets"):
                    yield from self.expression(part, place, node)

    def expression(self, node: ast.expr, place: str, within: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.JoinedStr) or _speaks(node):
            return
        for changed in _changes(node):
            yield self.change(node, within, changed, place)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from self.expression(child, place, within)
            elif isinstance(child, ast.keyword):
                yield from self.expression(child.value, place, within)
            elif isinstance(child, ast.comprehension):
                yield from self.expression(child.iter, place, within)
                for condition in child.ifs:
                    yield self.change(condition, within, ast.Constant(True), place)
                    yield from self.expression(condition, place, within)

    def change(self, node: ast.AST, within: ast.AST, now: ast.expr | str, place: str) -> Mutant:
        span = (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )
        new = now if isinstance(now, str) else ast.unparse(ast.fix_missing_locations(now))
        lines = "\n" * (node.end_lineno - node.lineno)  # what follows keeps its line
        text = new + lines if isinstance(now, str) else f"({new}{lines})"
        was = ast.unparse(node)
        return Mutant(
            self.file, place, node.lineno, node.end_lineno, span, text, _short(was), _short(new)
        )

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    """The changes of this expression itself, not of those inside it."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield _with(node, ops=[COMPARISONS[type(op)]()])
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                if type(op) in COMPARISONS:
                    yield _with(node, ops=[*ops[:i], COMPARISONS[type(op)](), *ops[i + 1 :]])
        case ast.BinOp(op=op, left=left) if type(op) in ARITHMETIC and not _is_text(left):
            yield _with(node, op=ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            yield ast.Constant(0)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
            if value == 1:
                yield ast.Constant(0)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value if value else 1.0)
        case ast.Attribute(attr=name) if name in NAMES:
            yield _with(node, attr=NAMES[name])
        case ast.Name(id=name) if name in ("min", "max", "any", "all"):
            yield ast.Name(NAMES[name])
        case ast.Call():
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    """A call without one of its keywords, or nothing but what its method is called on.

    Without `device=` nothing changes on a machine that has one device.
    """
    match node:
        case ast.Call(func=ast.Attribute(attr=name), args=[], keywords=[]) if name in DROPPED:
            yield node.func.value
    for i, keyword in enumerate(node.keywords):
        if keyword.arg not in (None, "device"):
            yield _with(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])


def _with(node: ast.expr, **fields: object) -> ast.expr:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _speaks(node: ast.expr) -> bool:
    """Whether this is text, or a call that tells people something."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    return name in SAID or name.endswith(("Error", "UnsupportedPair", "Warning"))


def _deletable(node: ast.stmt) -> bool:
    """Whether a program without this statement still has all its names."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Subscript) for target in node.targets)
    return isinstance(node, ast.Expr | ast.AugAssign | ast.Delete | ast.Continue | ast.Break)


def _is_left_alone(node: ast.stmt) -> bool:
    """Whether this only speaks to people, or names types or what is public."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.Expr):
        return _speaks(node.value)
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name, value = node.targets[0].id, ast.unparse(node.value)
        return name == "__all__" or "Callable[" in value or "TypeVar(" in value
    return False


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-25:]}"
