from __future__ import annotations

from pathlib import Path

from features.catalogue import CATALOGUE
from features.document import listing, page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_and_the_list_of_features_are_up_to_date():
    assert (DOCS / "features.md").read_text(encoding="utf-8") == page(), "run `python -m features.document docs`"
    assert (DOCS / "features.json").read_text(encoding="utf-8") == listing(), "run `python -m features.document docs`"


def test_every_feature_stands_on_the_page():
    text = page()
    assert not [feature.name for feature in CATALOGUE if f"| `{feature.base}` |" not in text]
