"""Brings the Chinese catalogues of the ranking and of the pages about models up to date with the code: `python tools/texts.py`.

Texts that are new get an empty translation to be filled in; those no longer used go. Prints what is still empty.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from models.pages import texts as pages
from serving.report import texts as ranking

_NOISE = (
    b'"POT-Creation-Date',
    b'"PO-Revision-Date',
    b'"Report-Msgid',
    b'"Last-Translator',
    b'"Language-Team',
    b'"Project-Id',
    b'"Generated',
)


def update(path: Path, messages: dict[str, tuple[str, ...]]) -> list[str]:
    """Rewrites a catalogue with exactly the texts in use (msgid -> its forms); returns those without a translation."""
    old = Catalog(locale="zh")
    if path.exists():
        old = read_po(io.BytesIO(path.read_bytes()), locale="zh")
    new = Catalog(
        locale="zh", project="bancast", header_comment="# The words of bancast in Chinese; English is the msgid.", fuzzy=False
    )
    empty = []
    for msgid, forms in sorted(messages.items()):
        known = old.get(msgid)
        text = known.string if known else ""
        if isinstance(text, list | tuple):
            text = text[0]
        new.add(forms if len(forms) > 1 else msgid, (text,) if len(forms) > 1 else text)
        if not text:
            empty.append(msgid)
    with io.BytesIO() as out:
        write_po(out, new, omit_header=False, width=0)
        # The header's dates would change the file with every run, and its placeholders name nobody.
        kept = [line for line in out.getvalue().splitlines(keepends=True) if not line.startswith(_NOISE)]
        path.write_bytes(b"".join(kept))
    return empty


if __name__ == "__main__":
    for words in (ranking, pages):
        for text in update(words.CATALOGUE_FILE, words.messages()):
            print("no translation:", text)
