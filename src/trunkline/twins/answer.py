"""The simulated model: deterministic, plausible, and steerable by what a test writes into the prompt.

The same model and conversation always give the same answer. The first rule that fits decides:

1. A tool call, when tools are offered, the mode allows it, the last turn brings no results, and either the mode
   forces it or the last user text names a tool, says "use the tool" or contains the word "call". Tools that the text
   names are called once each; with one tool and the word "two" (or "both") it is called twice, if parallel calls are
   allowed. Arguments come from the schema's required properties, with capitalised words of the text as strings.
2. Tool results in the last turn: a text that quotes each.
3. `say exactly "…"` (or `reply with exactly "…"`) in the last user text or the system text: that text.
4. `repeat the first message` in the last user text: the text of the first user turn.
5. A JSON schema for the answer: an example of it.
6. Pictures in the last turn: a text that lists them.
7. Prose about the topic, 24–48 tokens; `N words` or `N tokens` in the last user text sets the length.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

from trunkline.twins.ask import TOKEN_CHARS, Answer, Ask, Finish, Tool, ToolCall, call_tokens, tokens_of
from trunkline.twins.example import example, proper_nouns

#: Key of the hash that decides everything "random" in an answer.
SEED = b"trunkline twins"

#: Longest answer that a prompt can ask for, in tokens (a 100 MB answer is a test of its own).
LONGEST = 50_000_000

#: How much of a long text is searched for the phrases above, at its beginning and at its end.
SEARCHED_CHARS = 4096

_EXACTLY = re.compile(r"(?:say|reply with|answer with) exactly:? [\"“](.*?)[\"”]", re.IGNORECASE | re.DOTALL)
_REPEAT = re.compile(r"\brepeat (?:the|my) first message\b", re.IGNORECASE)
_LENGTH = re.compile(r"\b(\d{1,8}) (words|tokens)\b", re.IGNORECASE)
_CALL = re.compile(r"\buse (?:the |these |both |all |two )*tools?\b|\bcall\b", re.IGNORECASE)
_TWICE = re.compile(r"\b(?:two|both|twice)\b", re.IGNORECASE)

_OPENINGS = (
    "Here is a short answer about {}.",
    "Let me go through {} step by step.",
    "Good question: {} deserves a careful reply.",
    "This is what can be said about {}.",
)
_SENTENCES = (
    "The first point is the plainest one, and it holds in most cases.",
    "A second look shows where the usual reading falls short.",
    "Take a small example and the pattern becomes visible at once.",
    "What matters in practice is how the parts work together.",
    "There are exceptions, but they are rare and easy to spot.",
    "Measured over a longer time, the difference grows smaller.",
    "Nothing here depends on the order in which the steps are taken.",
    "In short, start simple and add detail only where it is needed.",
)
_THOUGHTS = (
    "The question is clear enough to answer directly.",
    "I should check the wording before I commit to a reply.",
    "Two readings are possible, the simpler one is meant.",
)


def seed_of(parts: list[str]) -> int:
    """The number from which an answer grows: a keyed hash over the model and every text of the conversation."""
    return int.from_bytes(blake2b("\0".join(parts).encode("utf-8", "replace"), key=SEED, digest_size=8).digest(), "big")


def answer(ask: Ask, *, tokens: int | None = None, choice: int = 0) -> Answer:
    """The answer to `ask`. `tokens` sets the length of prose; `choice` numbers the alternatives of one request."""
    seed = ask.seed + choice * 7919
    reasoning = _reasoning(seed) if ask.thinking else ""
    if ask.max_tokens is not None:
        reasoning = reasoning[: ask.max_tokens * TOKEN_CHARS]
    calls = _calls(ask, seed)
    room = None if ask.max_tokens is None else max(0, ask.max_tokens - tokens_of(reasoning))
    if calls and (room is None or sum(call_tokens(call) for call in calls) <= room):
        return Answer(reasoning=reasoning, calls=calls, finish="tools")
    text = "I will call a tool for that, but the limit is too low." if calls else _text(ask, seed, tokens, room)
    text, finish, stop = _cut(text, ask.stops, room)
    return Answer(text=text, reasoning=reasoning, finish=finish, stop=stop)


def refusal(ask: Ask) -> Answer:
    """The answer of a model that declines."""
    return Answer(text="I can't help with that.", finish="refusal")


def _ends(text: str) -> str:
    return text if len(text) <= 2 * SEARCHED_CHARS else text[:SEARCHED_CHARS] + " " + text[-SEARCHED_CHARS:]


def _calls(ask: Ask, seed: int) -> list[ToolCall]:
    tools = [tool for tool in ask.tools if not ask.allowed or tool.name in ask.allowed]
    if not tools or ask.mode == "none" or (ask.outcomes and ask.mode == "auto"):
        return []
    text = _ends(ask.last_user)
    named = [tool for tool in tools if re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", text)]
    if ask.mode == "auto" and not named and not _CALL.search(text):
        return []
    chosen = named or tools[:1]
    if len(chosen) == 1 and _TWICE.search(text):
        chosen = chosen * 2
    if not ask.parallel:
        chosen = chosen[:1]
    nouns = proper_nouns(text)
    return [_call(tool, nouns, turn, seed) for turn, tool in enumerate(chosen)]


def _call(tool: Tool, nouns: list[str], turn: int, seed: int) -> ToolCall:
    arguments = example(tool.schema, nouns, turn)
    call_id = blake2b(f"{seed}:{turn}:{tool.name}".encode(), key=SEED, digest_size=12).hexdigest()
    return ToolCall(call_id, tool.name, arguments if isinstance(arguments, dict) else {})


def _text(ask: Ask, seed: int, tokens: int | None, room: int | None) -> str:
    last = _ends(ask.last_user)
    if ask.outcomes:
        quoted = "; ".join(f"{outcome.name} returned {outcome.text}" for outcome in ask.outcomes)
        return f"The tools answered: {quoted}."
    exactly = _EXACTLY.search(last) or _EXACTLY.search(_ends(ask.system))
    if exactly:
        return exactly.group(1)
    if _REPEAT.search(last):
        return ask.users[0]
    if ask.json_schema is not None:
        return msgspec.json.encode(example(ask.json_schema, proper_nouns(last))).decode()
    if ask.pictures:
        return f"The message shows {len(ask.pictures)} image(s): {', '.join(ask.pictures)}."
    return prose(seed, _length(last, seed, tokens, room), last)


def _length(last: str, seed: int, tokens: int | None, room: int | None) -> int:
    """Length of the prose in tokens; one more than there is room for is enough to end by the limit."""
    wanted = 24 + seed % 25 if tokens is None else tokens
    asked = _LENGTH.search(last)
    if asked and tokens is None:
        wanted = int(asked.group(1)) * (1 if asked.group(2).lower() == "tokens" else 2)
    wanted = min(wanted, LONGEST)
    return wanted if room is None else min(wanted, room + 1)


def prose(seed: int, tokens: int, about: str) -> str:
    """English sentences of exactly `tokens` tokens; long answers repeat one page."""
    size = tokens * TOKEN_CHARS
    topic = " ".join(about.split()[:6])[:40] or "this"
    text = _OPENINGS[seed % len(_OPENINGS)].format(topic)
    at = seed >> 3
    page: list[str] = []
    length = len(text)
    while length < size and len(page) < 64:
        sentence = _SENTENCES[at % len(_SENTENCES)]
        page.append(sentence)
        length += len(sentence) + 1
        at = (at * 5 + 3) & 0xFFFF_FFFF
    text = " ".join([text, *page])
    if len(text) < size:
        loop = " " + " ".join(page)
        text += loop * ((size - len(text)) // len(loop) + 1)
    return text[: size - 1] + "." if size else ""


def _reasoning(seed: int) -> str:
    return " ".join(_THOUGHTS[(seed + turn) % len(_THOUGHTS)] for turn in range(1 + seed % 2))


def _cut(text: str, stops: list[str], room: int | None) -> tuple[str, Finish, str]:
    """Ends `text` before the earliest stop sequence, then at the token limit. Returns text, finish and the stop hit."""
    finish: Finish = "end"
    hit = ""
    for stop in stops:
        at = text.find(stop) if stop else -1
        if at >= 0:
            text, finish, hit = text[:at], "stop", stop
    if room is not None and tokens_of(text) > room:
        return text[: room * TOKEN_CHARS], "length", ""
    return text, finish, hit
