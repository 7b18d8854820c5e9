"""Conditions in CEL: compiled together into one list expression over flat, declared variables, evaluated once.

`cel-expr-python` checks names and types when it compiles, and bounds iteration when it evaluates. Facts and figures: design.md
section 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from cel_expr_python import cel

from trunkline.types.facts import Facts, Guess

#: Characters of one condition, and conditions of one list.
CONDITION_CAP = 2_000
LIST_CAP = 1_000
#: Answers remembered per list of conditions.
KEPT = 4_096

_STRING, _INT, _DOUBLE, _BOOL = cel.Type.STRING, cel.Type.INT, cel.Type.DOUBLE, cel.Type.BOOL
_WORDS = cel.Type.Map(_STRING, _STRING)

#: Every variable there is: its type, where its value comes from, and what it is for.
VARIABLES: dict[str, tuple[Any, Callable[[Facts], Any], str]] = {
    "model": (_STRING, lambda f: f.envelope.model, "the model name that the client sent"),
    "dialect": (_STRING, lambda f: f.envelope.dialect, "openai_chat, anthropic_messages or gemini_generate"),
    "operation": (_STRING, lambda f: f.envelope.operation, "chat or video_create"),
    "stream": (_BOOL, lambda f: f.envelope.stream, "the answer is to be streamed"),
    "tokens": (_INT, lambda f: f.envelope.input_tokens, "input tokens, estimated by size"),
    "max_output_tokens": (_INT, lambda f: f.envelope.max_output_tokens or 0, "the caller's limit, 0 if it gave none"),
    "turns": (_INT, lambda f: f.envelope.turns, "messages of the conversation"),
    "modality": (_STRING, lambda f: f.envelope.modality, "text, image, audio, video or file: the most demanding input"),
    "tools": (_INT, lambda f: f.envelope.tools, "how many tools the model may use"),
    "output_schema": (_BOOL, lambda f: f.envelope.output_schema, "the answer must fit a JSON schema"),
    "task": (_STRING, lambda f: _sure(f.guess).label, "what is asked for; unknown unless it is sure enough"),
    "task_group": (_STRING, lambda f: _sure(f.guess).group, "the task's group; unknown unless it is sure enough"),
    "confidence": (_DOUBLE, lambda f: f.guess.confidence, "of the most likely task, 0.0 to 1.0"),
    "difficulty": (_STRING, lambda f: f.guess.difficulty, "easy, medium or hard"),
    "key_id": (_STRING, lambda f: f.principal.key_id, "the virtual key's id"),
    "user": (_STRING, lambda f: f.user, "the key's user, else the one that the request names"),
    "team": (_STRING, lambda f: f.principal.team, "the key's team"),
    "organisation": (_STRING, lambda f: f.principal.organisation, "the key's organisation"),
    "feature": (_STRING, lambda f: f.feature, "the product feature that asks"),
    "metadata": (_WORDS, lambda f: f.metadata, "the caller's metadata: metadata.run, or metadata['a-b']"),
    "header": (_WORDS, lambda f: f.headers, "request headers that `headers` allows: header['x-tenant']"),
    "hour": (_INT, lambda f: f.hour, "hour of the day, UTC"),
    "ejected": (cel.Type.List(_STRING), lambda f: f.ejected, "deployments out of health now: 'gpt' in ejected"),
}
TASK_VARIABLES = frozenset({"task", "task_group", "confidence", "difficulty"})
#: Values that a variable may be compared with; a label of the file's own `tasks` is added by whoever compiles.
DIALECTS = ("openai_chat", "anthropic_messages", "gemini_generate", "openai_videos", "ark_tasks")
KNOWN: dict[str, tuple[str, ...]] = {
    "dialect": DIALECTS,
    "operation": ("chat", "video_create"),
    "modality": ("text", "image", "audio", "video", "file"),
    "difficulty": ("easy", "medium", "hard"),
}
#: Too many different values for answers to be worth remembering, or no value that a dictionary takes.
_OPEN = frozenset({"tokens", "metadata", "header", "confidence", "max_output_tokens"})

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)
    |(?P<string>[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|(?P<sign>&&|\|\||==|!=|<=|>=|[^\s])|(?P<space>\s+)""",
    re.VERBOSE | re.DOTALL,
)


class ConditionProblem(ValueError):
    """A condition that cannot be used; the text says where and why, in words for whoever wrote it."""


def tokens_of(text: str) -> list[tuple[str, str]]:
    """(kind, text) of a condition's tokens, without white space."""
    return [
        (str(found.lastgroup), found.group())
        for found in _TOKEN.finditer(text)
        if found.lastgroup not in ("space", "comment")
    ]


def names_in(text: str) -> frozenset[str]:
    """The declared variables that a condition looks at."""
    tokens = tokens_of(text)
    found = set()
    for at, (kind, word) in enumerate(tokens):
        if kind == "name" and word in VARIABLES and (at == 0 or tokens[at - 1][1] != "."):
            found.add(word)
    return frozenset(found)


class Conditions:
    """An ordered list of conditions. `whens` pairs each with the confidence from which it trusts a task (None: its own).

    They have passed `check_condition` one by one.
    """

    def __init__(self, whens: Sequence[tuple[str, float | None]]) -> None:
        if len(whens) > LIST_CAP:
            raise ConditionProblem(f"there are {len(whens)} conditions; {LIST_CAP} are the most")
        thresholds = sorted({least for _, least in whens if least is not None})
        self.names: frozenset[str] = frozenset().union(*(names_in(text) for text, _ in whens)) if whens else frozenset()
        self._get: list[tuple[str, Callable[[Facts], Any]]] = [(n, VARIABLES[n][1]) for n in sorted(self.names)]
        self._env = environment(thresholds)
        written = [_at_threshold(text, None if least is None else thresholds.index(least)) for text, least in whens]
        if self.names & TASK_VARIABLES:
            for number, least in enumerate(thresholds):
                self._get += [
                    (f"task_{number}", _label_at(least)),
                    (f"task_group_{number}", _group_at(least)),
                ]
        self._each = [self._env.compile(text) for text in written]
        self._all = self._env.compile(f"[{', '.join(f'({text})' for text in written)}]") if written else None
        self._kept: dict[tuple[Any, ...], Sequence[bool | None]] | None = {} if not self.names & _OPEN else None

    def evaluate(self, facts: Facts) -> Sequence[bool | None]:
        """One answer per condition; None where it could not be evaluated. Not to be changed."""
        if self._all is None:
            return ()
        values = {name: get(facts) for name, get in self._get}
        kept = self._kept
        if kept is None:
            return self._fresh(values)
        key = tuple(values.values())
        found = kept.get(key)
        if found is None:
            if len(kept) >= KEPT:
                kept.clear()
            found = kept[key] = self._fresh(values)
        return found

    def _fresh(self, values: dict[str, Any]) -> Sequence[bool | None]:
        assert self._all is not None
        if "ejected" in values:
            values["ejected"] = list(values["ejected"])
        answers: list[bool] | None = _value(self._all, values)
        if answers is not None:
            return answers
        return tuple(_value(one, values) for one in self._each)


def _value(expression: Any, values: dict[str, Any]) -> Any:
    """None: it errs, or needs more steps than the runtime allows."""
    try:
        found = expression.eval(data=values)
    except RuntimeError:
        return None
    return None if found.type() == cel.Type.ERROR else found.plain_value()


def environment(thresholds: Sequence[float] = ()) -> Any:
    """The names and types that conditions are checked against."""
    variables = {name: kind for name, (kind, _, _) in VARIABLES.items()}
    for number in range(len(thresholds)):
        variables[f"task_{number}"] = variables[f"task_group_{number}"] = _STRING
    return cel.NewEnv(variables=variables)


def check_condition(text: str) -> None:
    """Raises ConditionProblem for what is no condition: syntax, an unknown name, a wrong type, no truth value."""
    if len(text) > CONDITION_CAP:
        raise ConditionProblem(f"it has {len(text)} characters; {CONDITION_CAP} are the most")
    if _nested_loops(text):
        raise ConditionProblem("one loop (all, exists, map, filter) inside another is not allowed")
    try:
        compiled = environment().compile(text)
    except RuntimeError as error:
        raise ConditionProblem(_complaint(str(error))) from None
    if compiled.return_type() != _BOOL:
        raise ConditionProblem(
            f"it is no condition: it gives {_type_words(compiled.return_type().name())}, not true or false"
        )


def constant(text: str) -> bool | None:
    """The value of a condition that looks at no variable at all."""
    if names_in(text):
        return None
    found = _value(environment().compile(text), {})
    return None if found is None else bool(found)


def _nested_loops(text: str) -> bool:
    """A loop over lists inside a loop over lists: the only way in which a short condition takes long."""
    tokens = tokens_of(text)
    open_: list[bool] = []
    for at, (_, word) in enumerate(tokens):
        if word == "(":
            loop = at > 1 and tokens[at - 1][1] in _LOOPS and tokens[at - 2][1] == "."
            if loop and any(open_):
                return True
            open_.append(loop)
        elif word == ")" and open_:
            open_.pop()
    return False


_LOOPS = frozenset({"all", "exists", "exists_one", "map", "filter"})


# --- tasks ----------------------------------------------------------------------------------------------------------------
_UNSURE = Guess()


def _sure(guess: Guess) -> Guess:
    return guess if guess.sure else _UNSURE


def _label_at(least: float) -> Callable[[Facts], str]:
    return lambda f: f.guess.label if f.guess.confidence >= least else "unknown"


def _group_at(least: float) -> Callable[[Facts], str]:
    return lambda f: f.guess.group if f.guess.confidence >= least else "unknown"


def _at_threshold(text: str, number: int | None) -> str:
    """The condition without comments, and with `task` and `task_group` read at a threshold of its own."""
    made: list[str] = []
    before = ""
    for found in _TOKEN.finditer(text):
        word = found.group()
        if number is not None and found.lastgroup == "name" and word in ("task", "task_group") and before != ".":
            word = f"{word}_{number}"
        made.append(" " if found.lastgroup == "comment" else word)
        if found.lastgroup not in ("space", "comment"):
            before = word
    return "".join(made)


# --- words ----------------------------------------------------------------------------------------------------------------
_WHERE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '_?([^' _]+)_?' applied to '\(([^)]*)\)'")


def _complaint(text: str) -> str:
    """The compiler's first complaint, in words for whoever wrote the condition."""
    found = _WHERE.search(text)
    if found is None:
        return "it cannot be read as a condition"
    said = found[3].removesuffix("[INVALID_ARGUMENT]").strip()
    column = f"at character {found[2]}" if found[1] == "1" else f"at line {found[1]}, character {found[2]}"
    unknown = _UNDECLARED.search(said)
    if unknown is not None:
        return f"nothing is called '{unknown[1]}' ({column})"
    overload = _OVERLOAD.search(said)
    if overload is not None:
        kinds = " and ".join(_type_words(kind.strip()) for kind in overload[2].split(","))
        hint = "; write a number with a point beside confidence" if {"int", "double"} <= _kinds(overload[2]) else ""
        return f"'{overload[1]}' does not take {kinds} ({column}){hint}"
    return f"{said.partition(' expecting ')[0]} ({column})"


def _kinds(text: str) -> set[str]:
    return {kind.strip() for kind in text.split(",")}


def _type_words(kind: str) -> str:
    words = {"STRING": "a text", "INT": "a whole number", "DOUBLE": "a number with a point", "BOOL": "true or false"}
    return words.get(kind.upper(), kind.lower())
