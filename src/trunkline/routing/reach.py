"""What is wrong with a list of conditions taken together: rules that nothing can reach, values that nothing can have."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from trunkline.routing.conditions import KNOWN, VARIABLES, constant, tokens_of

Token = tuple[str, str]


def shadowed(whens: Sequence[tuple[str, float | None]]) -> dict[int, int]:
    """Index of each condition that cannot be reached → index of the earlier one that takes everything it could match.

    Found by form, not by proof: an earlier condition that always holds, or one of whose alternatives (`||`) demands nothing
    (`&&`) that the later one does not demand too.
    """
    found: dict[int, int] = {}
    demands: list[list[frozenset[str]]] = []
    for at, (text, least) in enumerate(whens):
        alternatives = [_marked(part, least) for part in _alternatives(text)]
        for earlier in range(at):
            if earlier in found:
                continue
            if constant(whens[earlier][0]) is True or all(
                any(taken <= demanded for taken in demands[earlier]) for demanded in alternatives
            ):
                found[at] = earlier
                break
        demands.append(alternatives)
    return found


def impossible(text: str) -> str:
    """Why a condition can never hold, in words; "" if nothing shows that."""
    if constant(text) is False:
        return "it is never true"
    for part in _alternatives(text):
        wanted: dict[str, str] = {}
        for demand in part:
            name, value = _equality(demand)
            if name and wanted.setdefault(name, value) != value:
                break
        else:
            return ""
    return "it wants one name to have two values at once"


def strange_values(text: str, known: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """(variable, value) for each text that a variable of a closed list is compared with and cannot have."""
    tokens = tokens_of(text)
    closed = {**KNOWN, **known}
    found: list[tuple[str, str]] = []
    for at, (kind, word) in enumerate(tokens):
        if kind != "name" or word not in closed or (at and tokens[at - 1][1] == "."):
            continue
        for value in _compared(tokens, at):
            if value not in closed[word]:
                found.append((word, value))
    return found


def _compared(tokens: list[Token], at: int) -> list[str]:
    """The literals that the variable at this place is compared with."""
    after = tokens[at + 1 :]
    if len(after) > 1 and after[0][1] in ("==", "!=") and after[1][0] == "string":
        return [_value(after[1][1])]
    if len(after) > 1 and after[0][1] == "in" and after[1][1] == "[":
        inside: list[str] = []
        for kind, word in after[2:]:
            if word == "]":
                break
            if kind == "string":
                inside.append(_value(word))
        return inside
    if at > 1 and tokens[at - 1][1] in ("==", "!=") and tokens[at - 2][0] == "string":
        return [_value(tokens[at - 2][1])]
    return []


def _value(literal: str) -> str:
    try:
        found = ast.literal_eval(literal.lower().lstrip("b") if literal[:1] in "bB" else literal)
    except (ValueError, SyntaxError):
        return literal
    return str(found)


# --- form -----------------------------------------------------------------------------------------------------------------
def _alternatives(text: str) -> list[frozenset[str]]:
    """A condition as alternatives, each a set of demands, in one spelling. Only the outermost `||` and `&&` are taken apart."""
    return [
        frozenset(_spelled(_bare(demand)) for demand in _apart(_bare(part), "&&"))
        for part in _apart(_bare(tokens_of(text)), "||")
    ]


def _marked(demands: frozenset[str], least: float | None) -> frozenset[str]:
    """A task trusted from another confidence is another demand."""
    if least is None:
        return demands
    return frozenset(
        f"{d} @{least}" if any(w in ("task", "task_group") for _, w in tokens_of(d)) else d for d in demands
    )


def _apart(tokens: list[Token], sign: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token[0] == "sign":
            depth += token[1] in "([{"
            depth -= token[1] in ")]}"
            if depth == 0 and token[1] == "?":
                return [tokens]  # a choice binds weaker than both
            if depth == 0 and token[1] == sign:
                parts.append([])
                continue
        parts[-1].append(token)
    return parts


def _bare(tokens: list[Token]) -> list[Token]:
    """Without parentheses around the whole."""
    while len(tokens) > 1 and tokens[0][1] == "(" and tokens[-1][1] == ")":
        depth = 0
        for at, (_, word) in enumerate(tokens):
            depth += (word == "(") - (word == ")")
            if depth == 0 and at < len(tokens) - 1:
                return tokens
        tokens = tokens[1:-1]
    return tokens


def _spelled(tokens: list[Token]) -> str:
    """One spelling: quotes alike, the variable before the literal."""
    words = [repr(_value(word)) if kind == "string" else word for kind, word in tokens]
    if (
        len(tokens) == 3
        and tokens[1][1] in ("==", "!=")
        and tokens[0][0] in ("string", "number")
        and tokens[2][0] == "name"
    ):
        words.reverse()
    return " ".join(words)


def _equality(demand: str) -> tuple[str, str]:
    """(variable, literal) of `variable == literal`, else empty."""
    name, sign, value = demand.partition(" == ")
    simple = sign and name in VARIABLES and (value[:1] in "'\"" or value[:1].isdigit()) and " " not in name
    return (name, value) if simple else ("", "")
