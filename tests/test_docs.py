"""Links of the documentation lead somewhere, the tests it names exist, and its programs run."""

import re

import pytest
from places import PACKAGES, ROOT, SOURCE

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("plans.md", "zoo.md")  # pages whose Python blocks are one program
# [text](target), [label]: target "title", <img src="target">
LINK = re.compile(r'\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)(?: "(\w+)")?$|src="([^"]+)"', re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def links(text):
    """Return the target of every link within the project, and the test that it names if any."""
    found = [(a or b or d, name) for a, b, name, d in LINK.findall(text)]
    return [link for link in found if not link[0].startswith(("http", "#"))]


def linked(page, target):
    """Return the file that a page links to; a module is looked for where the packages are."""
    path = (page.parent / target.split("#")[0]).resolve().relative_to(ROOT)
    return (SOURCE if path.parts and path.parts[0] in PACKAGES else ROOT) / path


def program(text):
    """Join the Python blocks of a page; lines keep their numbers."""
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text[: block.start(1)].count("\n")
        own = block[1].splitlines()
        lines[first : first + len(own)] = own
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_its_test(page):
    for target, name in links(page.read_text(encoding="utf-8")):
        path = linked(page, target)
        assert path.exists(), f"{page.name} links to {target}, which is not there"
        if name:
            assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{target} has no {name}"


def test_links_of_every_form_are_found():
    text = '[a](b.md) <img src="c.png">\n[d]: ../e.py "test_f"\n[g](https://h)\n[i]: j.md\n'
    assert links(text) == [("b.md", ""), ("c.png", ""), ("../e.py", "test_f"), ("j.md", "")]


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_blocks_of_a_page_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / name
    code = compile(program(page.read_text(encoding="utf-8")), str(page), "exec")
    exec(code, {"__name__": name})


def test_lines_of_a_program_keep_their_numbers():
    text = "a\n```python\nb = 1\n```\n\n```\nno\n```\n```python\nc = 2\n```\n"
    assert program(text).splitlines() == ["", "", "b = 1", "", "", "", "", "", "", "c = 2"] + [""]
