"""JUnit's XML, as CI systems show it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from revetl.cli.words import clean


def case(suite: ET.Element, group: str, name: str) -> ET.Element:
    """Add a case to a suite."""
    return ET.SubElement(suite, "testcase", classname=xml(group), name=xml(name))


def xml(text: str) -> str:
    """Return one line without what XML 1.0 has no characters for: https://www.w3.org/TR/xml/#charsets."""
    return "".join(c for c in clean(text) if c not in "\ufffe\uffff")


def written(suite: ET.Element, failures: int) -> str:
    """Return a suite as text, its counts set."""
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    return ET.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"
