"""The part of a message that says what is wanted: without the greeting, the quotation marks, the passage behind it and the
wrapper around it. Pure, and bounded: of a megabyte it looks at some thousand characters.
"""

from __future__ import annotations

import re

import msgspec

HEAD, TAIL = 200, 120
#: A paragraph longer than this is material, and not what is wanted of it.
MATERIAL = 240
#: So much of each end is looked at.
ENDS = 4_000

_ASKS = (
    "user|human|question|request|query|task|instructions?|prompt|message|ask|frage|pregunta|domanda|pergunta|вопрос|задание|"
    "问题|質問|질문"
)
_MARK = re.compile(
    rf"^[\s>*#<\[\-]{{0,4}}(?:the |user'?s? |customer |human |my |now please|final |actual )*(?:{_ASKS})"
    r"(?: [a-z]{1,12})?[>\]*]{0,3} ?[:：>]\s*",
    re.IGNORECASE | re.MULTILINE,
)
_HELLO = (
    "hi|hello|hey|hiya|dear|good (?:morning|afternoon|evening|day)|greetings|hallo|guten (?:tag|morgen|abend)|moin|servus|hej|"
    "hola|buen[oa]s (?:d[ií]as|tardes|noches)|bonjour|bonsoir|salut|ciao|buongiorno|ol[aá]|bom dia|boa tarde|cześć|"
    "dzień dobry|ahoj|dobrý den|привет|здравствуйте|добрый день|merhaba|مرحبا|नमस्ते|你好|您好|こんにちは|안녕하세요"
)
_GREETING = re.compile(
    rf"^\s*(?:{_HELLO})\b[^,.!?。！？，、\n]{{0,25}}[,.!?。！？，、\n]+\s*"
    r"(?:(?:i |we )?(?:hope|trust)\b[^.!?\n]{0,50}[.!?]\s*)?",
    re.IGNORECASE,
)
_BYE = (
    "thanks?|thank you|thx|cheers|many thanks|kind regards|best regards|danke|vielen dank|gracias|merci|grazie|obrigad[oa]|"
    r"bedankt|dank je|tack|dzięki|dziękuję|díky|спасибо|teşekkürler|شكرا|谢谢|ありがとう\w*|감사합니다"
)
_THANKS = re.compile(rf"(?<=[\s.!?。！？])(?:{_BYE})\b[^\n?]{{0,40}}(?:\n[^\n?]{{0,30}})?\s*$", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "«": "»", "'": "'", "„": "“", "「": "」"}
#: What is left of a greeting or a mark must have this many characters to count.
LEAST = 8


class Heart(msgspec.Struct, frozen=True):
    """`text` is what is wanted, through a window of its beginning and end. `before` and `after` say whether material
    stands there, `code` that it has a fenced block."""

    text: str
    before: bool = False
    after: bool = False
    code: bool = False


def window(text: str) -> str:
    """The beginning and the end of a text, where people say what they want."""
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]} \x01 {text[-TAIL:]}"


def heart(text: str) -> Heart:
    if len(text) > 2 * ENDS:
        text = f"{text[:ENDS]}\n\n{text[-ENDS:]}"
    text = text.strip()
    before = after = False
    fenced = "```" in text
    if len(text) > 80:
        text, wrapper = _marked(text)
        before = wrapper > MATERIAL
        if len(text) > HEAD + TAIL and "\n\n" in text:
            text, earlier, after = _paragraphs(text)
            before = before or earlier
    return Heart(window(_bare(text)), before, after, fenced)


def _marked(text: str) -> tuple[str, int]:
    """Behind the last `Question:` and the like at the beginning of a line, and how much stands before it."""
    found = None
    for each in _MARK.finditer(text, max(0, len(text) - 1_500)):
        found = each
    if found is None or found.start() < 40 or len(text) - found.end() < LEAST:
        return text, 0
    return text[found.end() :], found.start()


def _paragraphs(text: str) -> tuple[str, bool, bool]:
    """The short paragraphs nearest to either end, and whether material stands before the first or behind the last of them."""
    paragraphs = [p for p in text.split("\n\n") if p.strip()]
    short = [at for at, p in enumerate(paragraphs) if len(p) <= MATERIAL]
    if not short:
        return text, False, False
    kept = dict.fromkeys((*short[:2], *short[-2:]))
    return " \x01 ".join(paragraphs[at] for at in kept), short[0] > 0, short[-1] < len(paragraphs) - 1


def _bare(text: str) -> str:
    """Without a greeting before, thanks behind and quotation marks around it, where enough is left."""
    found = _GREETING.sub("", text, count=1) if len(text) > LEAST else text
    if len(found) >= LEAST:
        text = found
    found = _THANKS.sub("", text).rstrip() if len(text) > 2 * LEAST else text
    if len(found) >= LEAST:
        text = found
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text
