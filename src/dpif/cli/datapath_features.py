"""The features of datapaths (``OVS_DP_F_*``) as words: those of the uapi names, in lower case, with hyphens."""

from __future__ import annotations

from dpif.cli.errors import UsageError
from dpif.odp.constants.datapath import DatapathFeature

BY_WORD = {str(feature.name).lower().replace("_", "-"): int(feature) for feature in DatapathFeature}


def parse_features(text: str) -> int:
    """Return the bits that words with commas between, or a number, name; raise `UsageError`."""
    bits = 0
    for word in text.split(","):
        if word in BY_WORD:
            bits |= BY_WORD[word]
        elif word[:1].isdigit() and (number := _number(word)) is not None:
            bits |= number
        else:
            raise UsageError(f"--features: unknown feature '{word}'; there are {', '.join(BY_WORD)}, or a number")
    return bits


def _number(text: str) -> int | None:
    try:
        number = int(text, 0)
    except ValueError:
        return None
    return number if number < 1 << 32 else None


def feature_words(bits: int) -> list[str]:
    """Return the words for `bits`; those without a word are together one number."""
    words = [word for word, bit in BY_WORD.items() if bits & bit]
    rest = bits & ~sum(BY_WORD.values())
    return [*words, hex(rest)] if rest else words
