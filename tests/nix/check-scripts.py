"""Checks scripts of NixOS tests against what their driver gives them (nixos-driver.pyi) and against themselves.

Reads {name: script} as JSON, writes {name: [problem]}. Each call of a function of the driver, of a method of a machine, and of a
function of the script itself has to fit its signature: number and names of arguments, types where the argument shows its own. Each
name has to be there. Results that are texts or pairs have to be used as such. Nothing but Python is needed; where nixpkgs is, its own
mypy sees the same scripts.
"""
import ast
import builtins
import json
import pathlib
import sys
from typing import Iterator, Optional

Function = ast.FunctionDef


class Driver:
    """What is in the stub, by name."""

    def __init__(self, text: str) -> None:
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, dict[str, ast.stmt]] = {}
        self.variables: dict[str, str] = {}
        for node in ast.parse(text).body:
            if isinstance(node, Function):
                self.functions[node.name] = node
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = {name: member for member in node.body for name in declared(member)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.variables[node.target.id] = ast.unparse(node.annotation)

    def names(self) -> set[str]:
        return {*self.functions, *self.variables}

    def members(self, variable: str) -> Optional[dict[str, ast.stmt]]:
        return self.classes.get(self.variables.get(variable, ""))


def declared(member: ast.stmt) -> list[str]:
    if isinstance(member, Function):
        return [member.name]
    if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
        return [member.target.id]
    return []


def shown(node: ast.expr) -> Optional[str]:
    """The type of an argument that shows it; None where only running it would tell."""
    if isinstance(node, ast.JoinedStr):
        return "str"
    if isinstance(node, ast.Constant):
        return "None" if node.value is None else type(node.value).__name__
    literals = {ast.Dict: "dict", ast.List: "list", ast.Tuple: "tuple", ast.Set: "set", ast.Lambda: "Callable"}
    return literals.get(type(node))


def takes(annotation: Optional[ast.expr], kind: str) -> bool:
    """Whether a parameter of this annotation may be given a value of that type."""
    if annotation is None:
        return True
    if isinstance(annotation, ast.BinOp):
        return takes(annotation.left, kind) or takes(annotation.right, kind)
    if isinstance(annotation, ast.Subscript):
        outer = ast.unparse(annotation.value)
        if outer == "Optional":
            return kind == "None" or takes(annotation.slice, kind)
        return outer == kind
    name = ast.unparse(annotation)
    return name in ("Any", "Json" if kind == "dict" else kind) or (name, kind) in {("int", "bool"), ("float", "int")}


def misfits(call: ast.Call, function: Function, is_method: bool) -> Iterator[str]:
    """What is wrong with the arguments. Those that are unpacked are not known, and may be any."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if is_method else 0 :]
    required = positional[: len(positional) - len(arguments.defaults)]
    unpacked = any(isinstance(each, ast.Starred) for each in call.args)
    open_keywords = any(keyword.arg is None for keyword in call.keywords)
    given: set[str] = set()
    for index, value in enumerate(call.args):
        if isinstance(value, ast.Starred):
            break
        parameter = positional[index] if index < len(positional) else arguments.vararg
        if parameter is None:
            yield f"{function.name} takes {len(positional)} arguments, and is given {len(call.args)}"
            return
        given.add(parameter.arg)
        yield from misfit(function, parameter, value)
    by_name = {each.arg: each for each in [*arguments.args, *arguments.kwonlyargs] if each.arg != "self"}
    for keyword in call.keywords:
        if keyword.arg is None:
            continue
        named = by_name.get(keyword.arg) or arguments.kwarg
        if named is None:
            yield f"{function.name} has no parameter {keyword.arg}"
            continue
        if keyword.arg in given:
            yield f"{function.name} is given {keyword.arg} twice"
        given.add(keyword.arg)
        yield from misfit(function, named, keyword.value)
    needed = [each.arg for each in required]
    needed += [each.arg for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults) if value is None]
    if not unpacked and not open_keywords:
        for name in needed:
            if name not in given:
                yield f"{function.name} needs {name}"


def misfit(function: Function, parameter: ast.arg, value: ast.expr) -> Iterator[str]:
    kind = shown(value)
    if kind is not None and not takes(parameter.annotation, kind):
        wanted = ast.unparse(parameter.annotation) if parameter.annotation else ""
        yield f"{function.name} takes {wanted} as {parameter.arg}, and is given {kind}"


def misused(node: ast.AST, returns: dict[ast.Call, ast.expr]) -> Iterator[str]:
    """A result that is a text has no methods but those of texts, and a pair is no text."""
    if isinstance(node, ast.Attribute) and node.value in returns:
        kind = getattr(builtins, ast.unparse(returns[node.value]).split("[")[0], None)
        if isinstance(kind, type) and not hasattr(kind, node.attr):
            yield f"a {kind.__name__} has no {node.attr}"
    if isinstance(node, ast.Assign) and node.value in returns and isinstance(node.targets[0], ast.Tuple):
        result = returns[node.value]
        count = len(node.targets[0].elts)
        is_pair = isinstance(result, ast.Subscript) and ast.unparse(result.value) == "tuple"
        if not is_pair:
            yield f"{ast.unparse(result)} is taken apart into {count}"
        elif isinstance(result.slice, ast.Tuple) and len(result.slice.elts) != count:
            yield f"{ast.unparse(result)} is taken apart into {count}"


def bound(tree: ast.AST) -> set[str]:
    """Every name that the script gives to something, wherever."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            names.add(node.name)
    return names


def check(script: str, driver: Driver) -> list[str]:
    try:
        tree = ast.parse(script)
        compile(script, "script", "exec")
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    own = {node.name: node for node in tree.body if isinstance(node, Function)}
    known = bound(tree) | driver.names() | set(dir(builtins))
    found: list[tuple[int, str]] = []
    returns: dict[ast.Call, ast.expr] = {}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name) and node.id not in known:
            found.append((line, f"there is no {node.id}"))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            members = driver.members(node.value.id)
            if members is not None and node.attr not in members:
                found.append((line, f"a {driver.variables[node.value.id]} has no {node.attr}"))
        if not isinstance(node, ast.Call):
            continue
        function, is_method = None, False
        if isinstance(node.func, ast.Name):
            function = own.get(node.func.id) or driver.functions.get(node.func.id)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            member = (driver.members(node.func.value.id) or {}).get(node.func.attr)
            function, is_method = (member, True) if isinstance(member, Function) else (None, False)
        if function is not None:
            found += [(line, problem) for problem in misfits(node, function, is_method)]
            if function.returns is not None:
                returns[node] = function.returns
    found += [(getattr(node, "lineno", 0), each) for node in ast.walk(tree) for each in misused(node, returns)]
    return [f"line {line}: {problem}" for line, problem in sorted(found)]


stub = pathlib.Path(__file__).with_name("nixos-driver.pyi").read_text(encoding="utf8")
scripts: dict[str, str] = json.load(sys.stdin)
json.dump({name: check(script, Driver(stub)) for name, script in scripts.items()}, sys.stdout)
