"""junit.xml: one test case for each flight, threshold and finding."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from reports.spelling import plain, spell_threshold_value
from sim.verdict import Finding, ThresholdResult, Verdict


def render_junit(verdicts: Sequence[Verdict]) -> str:
    """Return the XML of one suite a run; text from records is escaped, characters XML forbids are replaced."""
    root = ET.Element("testsuites", name="windtunnel")
    for verdict in verdicts:
        _suite(root, verdict)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, verdict: Verdict) -> None:
    header = verdict.header
    name = plain(f"{header.get('scenario')} seed {header.get('seed')}")
    suite = ET.SubElement(root, "testsuite", name=name)
    properties = ET.SubElement(suite, "properties")
    for key, value in (("replay", header.get("replay", "")), ("digest", verdict.digest or "")):
        ET.SubElement(properties, "property", name=key, value=plain(value))
    _flight(suite, name, verdict)
    for result in verdict.thresholds:
        _threshold(suite, name, result, verdict)
    for finding in verdict.findings:
        _finding(suite, name, finding)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))


def _flight(suite: ET.Element, name: str, verdict: Verdict) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"{name}.flight", name="the record is whole")
    if verdict.missing is not None:
        ET.SubElement(case, "error", message=plain(verdict.missing), type="inconclusive")


def _threshold(suite: ET.Element, name: str, result: ThresholdResult, verdict: Verdict) -> None:
    threshold = result.threshold
    case = ET.SubElement(
        suite, "testcase", classname=f"{name}.thresholds", name=plain(f"{threshold.metric}: {threshold.expr}")
    )
    if threshold.file:
        case.set("file", plain(threshold.file))
    if threshold.line:
        case.set("line", str(threshold.line))
    if result.verdict == "pass":
        return
    shown = f"{threshold.metric}: {spell_threshold_value(threshold, result.value)}, threshold {threshold.expr}"
    tag = "failure" if result.verdict == "fail" else "error"
    answer = ET.SubElement(case, tag, message=plain(shown), type=result.verdict)
    answer.text = plain(f"{result.reason()}\nreplay: {verdict.header.get('replay', '')}")


def _finding(suite: ET.Element, name: str, finding: Finding) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"{name}.findings", name=plain(f"{finding.kind}: {finding.id}"))
    path, _, line = (finding.where or "").rpartition(":")
    if path and line.isdecimal():
        case.set("file", plain(path))
        case.set("line", line)
    told = plain(f"{finding.title}\n{finding.detail}\nreplay: {finding.replay}")
    if finding.fails:
        ET.SubElement(case, "failure", message=plain(finding.title), type=plain(finding.kind)).text = told
    elif finding.known:
        ET.SubElement(case, "skipped", message=plain(f"known: {finding.title}"))
    else:
        ET.SubElement(case, "system-out").text = told
