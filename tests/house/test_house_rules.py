"""Paths can be guessed from names, and what the documents say is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.tree import FOLDERS, ROOT, SOURCE_FOLDERS, documents, files, name_of

PORTS = [path for path in files("core/application/ports", suffix=".py") if path.name != "__init__.py"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
ONE_MACHINE = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work|mnt)/\w")


def classes(path: Path) -> dict[str, set[str]]:
    """Names of a file's classes, with the names of what each derives from."""
    tree = ast.parse(path.read_text())
    return {
        node.name: {ast.unparse(parent).partition("[")[0] for parent in node.bases}
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def protocols(path: Path) -> list[str]:
    """The promises that a file of ports holds."""
    return [name for name, parents in classes(path).items() if "Protocol" in parents]


@pytest.mark.parametrize("port", PORTS, ids=lambda path: path.stem)
def test_each_file_of_ports_holds_one_need_and_has_a_fake_of_the_same_name(port: Path) -> None:
    fake = ROOT / "tests" / "fakes" / port.name

    assert 1 <= len(protocols(port)) <= 2
    assert fake.is_file()
    assert {f"Fake{name}" for name in protocols(port)} & set(classes(fake))


def test_no_fake_has_lost_its_port() -> None:
    fakes = {path.name for path in files("tests/fakes", suffix=".py")} - {"__init__.py"}

    assert fakes <= {port.name for port in PORTS}


def subjects_of(folder: Path) -> set[str]:
    """What tests of a source folder may be called after: its modules, its packages, and the ports they fulfil."""
    inside = {path.stem.strip("_") for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    return inside | {port.stem for port in PORTS}


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_tests_mirror_the_tree(kind: str) -> None:
    tests = [path for path in files(f"tests/{kind}", suffix=".py") if path.name.startswith("test_")]
    strays = []
    for test in tests:
        mirrored = ROOT / test.parent.relative_to(ROOT / "tests" / kind)
        subject = test.stem.removeprefix("test_")
        names = subjects_of(mirrored) if mirrored.is_dir() else set()
        if not any(subject == name or subject.startswith(f"{name}_") for name in names):
            strays.append(name_of(test))

    assert tests
    assert strays == []


def test_no_path_is_that_of_one_machine() -> None:
    texts = [*files(*FOLDERS), *(path for path in ROOT.iterdir() if path.is_file() and _is_written_by_people(path))]
    found = [
        f"{name_of(path)}:{number}"
        for path in texts
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if ONE_MACHINE.search(line)
    ]

    assert found == []


def test_every_folder_of_source_is_a_package_that_says_what_it_holds() -> None:
    folders = {path.parent for path in files(*SOURCE_FOLDERS, suffix=".py")} - {ROOT / "migrations" / "versions"}
    silent = [
        name_of(folder)
        for folder in folders
        if not (folder / "__init__.py").is_file()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    ]

    assert silent == []


def headings(document: Path) -> set[str]:
    """The anchors that a document's headings make."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", document.read_text())
    broken = []
    for link in links:
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        if not target.exists() or (anchor and anchor not in headings(target)):
            broken.append(link)

    assert broken == []


def test_files_that_documents_name_exist() -> None:
    named = {
        (name_of(document), name)
        for document in documents()
        for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", document.read_text())
    }

    assert {(document, name) for document, name in named if not (ROOT / name).exists()} == set()


def test_decisions_are_numbered_without_a_gap_and_listed_in_order() -> None:
    numbers = [path.name.partition("-")[0] for path in DECISIONS]

    assert numbers == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    assert len(DECISIONS) >= 10


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_why_what_and_what_follows(decision: Path) -> None:
    lines = decision.read_text().splitlines()
    number = int(decision.name.partition("-")[0])

    assert lines[0].startswith(f"# {number}. ")
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]
    assert len(lines) <= 30


def _is_written_by_people(path: Path) -> bool:
    return path.suffix != ".lock" and path.name != ".env" and not path.name.startswith(".coverage")
