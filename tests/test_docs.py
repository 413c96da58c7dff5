"""Links of the documentation lead somewhere, and the tests it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# [text](target), [label]: target "title", <img src="target">
LINK = re.compile(r'\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)(?: "(\w+)")?$|src="([^"]+)"', re.MULTILINE)


def links(text):
    """Return the target of every link within the project, and the test that it names if any."""
    found = [(a or b or d, name) for a, b, name, d in LINK.findall(text)]
    return [link for link in found if not link[0].startswith(("http", "#"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_its_test(page):
    for target, name in links(page.read_text(encoding="utf-8")):
        path = page.parent / target.split("#")[0]
        assert path.exists(), f"{page.name} links to {target}, which is not there"
        if name:
            assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{target} has no {name}"


def test_links_of_every_form_are_found():
    text = '[a](b.md) <img src="c.png">\n[d]: ../e.py "test_f"\n[g](https://h)\n[i]: j.md\n'
    assert links(text) == [("b.md", ""), ("c.png", ""), ("../e.py", "test_f"), ("j.md", "")]
