"""Hook of MkDocs: makes the API reference, and lets links lead from the site to source files."""

import os
import re
import sys
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
from comments import read_comments, text_at

ROOT = Path(__file__).parents[2]
PACKAGES = ("ttfs_jax", "hardware", "search")
# [text](target), [label]: target, <img src="target">; the target's anchor apart.
LINK = re.compile(r'(\]\(|^\[[^\]]+\]: |src=")([^)\s"#]+)(#[^)\s"]*)?', re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PARAGRAPH = re.compile(r"\n(?=(Shapes|No spike|No event|Raises|Source|Sources):)")


class Docstrings(griffe.Extension):
    """Reads docstrings as they are meant here.

    Comments of fields and constants are theirs, as in the command's help, and what begins with
    `Shapes:` and the like is a paragraph of its own.
    """

    def __init__(self):
        self._read = {}

    def on_instance(self, *, obj: griffe.Object, **_) -> None:
        """Set the paragraphs of the docstring of `obj` apart."""
        if obj.docstring:
            obj.docstring.value = PARAGRAPH.sub("\n\n", obj.docstring.value)

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_) -> None:
        """Give an attribute `attr` without a docstring the text of its comment."""
        if attr.docstring or attr.lineno is None:
            return
        path = attr.filepath
        if path not in self._read:
            self._read[path] = read_comments(path.read_text(encoding="utf-8"))
        text = text_at(self._read[path], attr.lineno, attr.endlineno or attr.lineno)
        if text:
            attr.docstring = griffe.Docstring(text, lineno=attr.lineno, parent=attr)


def public(members: dict) -> list:
    """List the members without a leading underscore."""
    return [member for name, member in members.items() if not name.startswith("_")]


def rooms(package: griffe.Module) -> list[griffe.Module]:
    """List a package and the packages within it, in the order of their names."""
    inner = [one for one in public(package.modules) if one.is_package or one.is_subpackage]
    return [package] + [
        room for one in sorted(inner, key=lambda one: one.path) for room in rooms(one)
    ]


def summary(member: griffe.Object | griffe.Alias) -> str:
    """Return the first line of what is said about a name."""
    text = member.docstring.value if member.docstring else ""
    return text.split("\n")[0].replace("|", "\\|")


def room_page(room: griffe.Module) -> str:
    """Write the page of a package: its text, its `__all__`, and every public module in it."""
    lines = [f"# {room.path}", "", room.docstring.value if room.docstring else "", ""]
    if room.exports:
        lines += ["| exported | |", "|---|---|"]
        for name in map(str, room.exports):
            member = room[name]
            target = member.final_target if member.is_alias else member
            package = target.is_module and (target.is_package or target.is_subpackage)
            link = f"({target.path}.md)" if package else f"[{target.path}]"
            lines.append(f"| [`{name}`]{link} | {summary(target)} |")
        lines.append("")
    own = [one for one in public(room.members) if not (one.is_alias or one.is_module)]
    own = [one for one in own if one.docstring]
    targets = [f"{room.path}.{one.name}" for one in own]
    for module in sorted(public(room.modules), key=lambda one: one.path):
        if not module.is_package and not module.is_subpackage:
            targets.append(module.path)
    return "\n".join(lines + [f"::: {target}\n" for target in targets])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Read the packages and list their pages in the navigation."""
    extensions = griffe.Extensions(Docstrings())
    loader = griffe.GriffeLoader(search_paths=[ROOT], extensions=extensions)
    packages = [loader.load(name) for name in PACKAGES]
    loader.resolve_aliases(implicit=False, external=False)
    config.extra["rooms"] = {
        package.path: {room.path: room_page(room) for room in rooms(package)}
        for package in packages
    }
    config.nav.append(
        {
            "API reference": [
                {name: [{path: f"api/{path}.md"} for path in pages]}
                for name, pages in config.extra["rooms"].items()
            ]
        }
    )
    return config


def site_path(page: str, target: str) -> str | None:
    """Say where in the site the file is that a page links to; None if it is no file of ours."""
    if ":" in target:
        return None
    path = os.path.normpath(os.path.join("." if page == "index.md" else "docs", target))
    if not (ROOT / path).is_file():
        return None
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"source/{path}.md" if path.endswith(".py") else f"source/{path}"


def relink(page: str, text: str) -> tuple[str, set[str]]:
    """Return a page with links that hold within the site, and the source files it links to."""
    files: set[str] = set()

    def replace(match: re.Match) -> str:
        path = site_path(page, match[2])
        if path is None:
            return match[0]
        if path.startswith("source/"):
            files.add(path)
        return f"{match[1]}{path}{match[3] or ''}"

    code = [block.span() for block in CODE.finditer(text)]
    parts, start = [], 0
    for first, last in [*code, (len(text), len(text))]:
        parts += [LINK.sub(replace, text[start:first]), text[first:last]]
        start = last
    return "".join(parts), files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the start page, the pages of the reference, and the source files linked to."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "index.md", content=readme))
    for pages in config.extra["rooms"].values():
        for path, text in pages.items():
            files.append(File.generated(config, f"api/{path}.md", content=text))
    linked: set[str] = set()
    for file in list(files.documentation_pages()):
        if not file.src_uri.startswith("api/"):
            linked |= relink(file.src_uri, file.content_string)[1]
    for path in sorted(linked):
        source = ROOT / path.removeprefix("source/").removesuffix(".md")
        if path.endswith(".py.md"):
            name = source.relative_to(ROOT)
            code = source.read_text(encoding="utf-8")
            page = f"---\nsearch:\n  exclude: true\n---\n# {name}\n\n````python\n{code}````\n"
            files.append(File.generated(config, path, content=page))
        else:
            files.append(File.generated(config, path, abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Let the links of a page hold within the site."""
    uri = page.file.src_uri
    return markdown if uri.startswith(("api/", "source/")) else relink(uri, markdown)[0]
