"""Nine regular expressions: what anybody would write first. Kept as the row that the classifier has to beat. Pure."""

from __future__ import annotations

import re

_WRITTEN = {
    "code": r"```|\b(?:python|javascript|java|sql|regex|function|code|bug|script|html|css|api|git|docker|bash)\b|def \w+\(",
    "translation": r"\btranslat|\binto (?:french|german|spanish|english|chinese|japanese|italian)\b"
    r"|翻译|翻訳|번역|übersetz|tradu|перевед",
    "summarization": r"\bsummar|\btl;?dr\b|\bkey points\b|\bshorten\b|总结|要約|요약|zusammenfass|résum|resum|riassu|кратк",
    "rewriting": r"\b(?:rewrite|rephrase|paraphrase|reword|proofread|polish)\b|改写|書き換え|umformulier|reformul|перепиш",
    "extraction": r"\b(?:extract|list all|find all|pull out|entities|keywords)\b|提取|抽出|추출|extrah|extrai|extraer|извлек",
    "classification": r"\b(?:classify|categor|sentiment|label|spam|positive or negative)\w*"
    r"|分类|分類|분류|klassifi|clasif|classif",
    "math_reasoning": r"\d\s*[-+*/×÷=^]\s*\d|\b(?:solve|calculate|equation|probability|how many|prove)\b"
    r"|计算|計算|계산|berechne|calcul",
    "brainstorming": r"\b(?:ideas?|brainstorm|suggest\w*|names? for|plan (?:a|my))\b|点子|アイデア|아이디어|ideen|idées|идеи",
    "writing": r"\b(?:write|compose|draft|story|poem|essay|email|letter)\b"
    r"|写一|書いて|써\s?줘|schreib|écri|escrib|escrev|scriv|напиш",
}
PATTERNS = {label: re.compile(pattern, re.IGNORECASE) for label, pattern in _WRITTEN.items()}


def plain_guess(text: str) -> str:
    """The first pattern that is found says; else a long text with a question mark is asked about, and all else is knowledge."""
    for label, pattern in PATTERNS.items():
        if pattern.search(text[:400]):
            return label
    return "closed_qa" if len(text) > 300 and "?" in text else "open_qa"
