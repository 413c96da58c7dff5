"""Text of fields and constants: a comment behind or above one is its documentation."""

import io
import re
import tokenize

NOT_TEXT = re.compile(r"#\s*(noqa|type:|pyright:|fmt:).*$")


def read_comments(code: str) -> tuple[dict[int, str], dict[int, str]]:
    """Read comments of `code` by line number: those behind code, and those alone on their line."""
    behind: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            text = NOT_TEXT.sub("", token.string).removeprefix("#").strip()
            table = alone if token.line.strip().startswith("#") else behind
            if text:
                table[token.start[0]] = text
    return behind, alone


def text_at(comments: tuple[dict[int, str], dict[int, str]], first: int, last: int) -> str:
    """Return the text of what stands in lines `first` to `last`, or "" if there is none.

    `comments` are those of `read_comments`. A comment behind the first or the last line is taken,
    else the lines of comment right above. Those between are about parts of the value.
    """
    behind, alone = comments
    text = [behind[line] for line in sorted({first, last}) if line in behind]
    if not text:
        line = first - 1
        while line in alone:
            text.insert(0, alone[line])
            line -= 1
    return " ".join(text)
