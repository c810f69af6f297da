"""Which tests an expression of -m selects, before pytest has collected any."""

import ast


def asks_for(expression: str, mark: str) -> bool:
    """Whether a test that has this mark alone is selected: "accuracy or npu" asks for npu, "accuracy and not npu" does not.

    The empty expression asks for nothing by name, although all tests run then. An expression that pytest will refuse asks for
    nothing.
    """
    try:
        return bool(expression.strip()) and _holds(ast.parse(expression.strip(), mode="eval").body, mark)
    except SyntaxError:
        return False


def _holds(part: ast.expr, mark: str) -> bool:
    if isinstance(part, ast.BoolOp):
        holds = [_holds(value, mark) for value in part.values]
        return all(holds) if isinstance(part.op, ast.And) else any(holds)
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not):
        return not _holds(part.operand, mark)
    return isinstance(part, ast.Name) and part.id == mark
