from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest

from reports.gate import evaluate
from reports.outputs import write_index, write_report, write_reports
from reports.render.html import render_report
from reports.story import tell
from sim.record import Record
from sim.verdict import judge
from tests.reports.records import SLOT_NS, Tape, finding, flight, hostile

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """A page as a browser's parser sees it: tags, attributes, text; it insists that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += ((name, value or "") for name, value in attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += ((name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(record: Record) -> str:
    return render_report(judge(record), tell(record))


@pytest.fixture(scope="module")
def quiet_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page about a small flight without trouble."""
    return page_of(flight().end().save(tmp_path_factory.mktemp("quiet")))


def test_the_verdict_comes_first_then_how_to_replay(tmp_path: Path) -> None:
    """The page starts with verdict, scenario and seed; reasons and the replay line follow before any section."""
    tape = flight(thresholds=[{"metric": "chain.blocks", "expr": "count>=1000", "file": "s.yaml", "line": 4}])

    text = Page(page_of(tape.end().save(tmp_path))).text

    start = text.index("Fail smoke, seed 7")
    reason = text.index("chain.blocks is 5, the threshold is count>=1000")
    replay = text.index("windtunnel run scenarios/smoke.yaml --seed 7")
    assert start < reason < replay < text.index("Thresholds")


def test_the_page_says_what_its_figures_are_not(quiet_page: str) -> None:
    """Profit is labelled comparative, not a forecast, and CPU time not modelled."""
    text = Page(quiet_page).text

    assert "comparative, not a forecast" in text
    assert text.count("CPU time not modelled") == 2


def test_every_section_is_there(quiet_page: str) -> None:
    """The page has the sections people look for, in order, with four plots and a timeline."""
    page = Page(quiet_page)

    sections = re.findall(r"<h2>(.*?)</h2>", quiet_page)

    assert sections == [
        *("Thresholds", "Findings", "Money", "Latency", "Prices", "Timeline", "Chain", "Trades"),
        *("Locks and tasks", "Errors", "All metrics", "Fingerprint"),
    ]
    assert page.tags["svg"] == 5


def test_the_page_needs_no_network_and_no_script(tmp_path: Path) -> None:
    """No script, no event handler, no address but inside the page; the policy in its head forbids the rest."""
    page = Page(page_of(hostile().end().save(tmp_path)))

    assert not page.tags["script"]
    assert not page.tags["link"]
    assert not page.tags["img"]
    assert not [name for name, _value in page.attributes if name.startswith("on")]
    assert all(value.startswith("#") for name, value in page.attributes if name in {"href", "src", "xlink:href"})
    assert any("default-src 'none'" in value for name, value in page.attributes if name == "content")


def test_text_of_a_record_stays_text(tmp_path: Path, quiet_page: str) -> None:
    """Markup in a record adds no kind of element but the list of reasons; control characters are made visible."""
    evil = page_of(hostile().end().save(tmp_path))

    page = Page(evil)

    assert set(page.tags) - set(Page(quiet_page).tags) <= {"ul", "li"}
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    assert not set(evil) & {"\x00", "\x1b", "\u202e"}


def test_the_page_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Rendering twice gives the same bytes, whatever the user's matplotlib settings are, and leaves those alone."""
    record = flight().end().save(tmp_path)
    first = page_of(record)

    with mpl.rc_context({"font.size": 31.0, "svg.hashsalt": None, "lines.linewidth": 9.0, "axes.grid": False}):
        before = dict(mpl.rcParams)
        second = page_of(record)
        after = dict(mpl.rcParams)

    assert first == second
    assert before == after


def test_no_two_elements_share_an_id(quiet_page: str) -> None:
    """Plots on one page do not clip each other: ids are unique, and every reference has its target."""
    ids = re.findall(r'\bid="([^"]*)"', quiet_page)
    used = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', quiet_page)

    assert len(ids) == len(set(ids))
    assert {one or other for one, other in used} <= set(ids)


@pytest.mark.parametrize("events", [0, 1])
def test_an_almost_empty_record_has_a_report(tmp_path: Path, events: int) -> None:
    """A flight that died at once still gets its page, inconclusive, without plots."""
    tape = Tape()
    if events:
        tape.recorder.event("flight.start")

    page = Page(page_of(tape.save(tmp_path)))

    assert "Inconclusive smoke, seed 7" in page.text
    assert page.tags["svg"] == 1


def test_long_flights_keep_the_page_small(tmp_path: Path) -> None:
    """Thousands of blocks and trades do not make the page grow without limit; what is cut is said."""
    tape = Tape()
    for at in range(6000):
        recorder = tape.at(at * SLOT_NS)
        recorder.event("block", "builder", "", number=at, gas_used=at, gas_limit=10**7, base_fee_wei=at, txs=1)
        recorder.event("balance", "bot", "", block=at, total_wei=at * at % 977)
        recorder.event("trade", "bot", "", hash=hex(at), block=at, path="A>B", status="included", reason="")

    page = page_of(tape.end().save(tmp_path))

    assert len(page) < 1_200_000
    assert "5500 more are in trades.csv" in page
    assert "more are in the record" in page


def test_a_run_folder_gets_its_files(tmp_path: Path) -> None:
    """All six files are written, nothing is left half-written, and a second time gives the same bytes."""
    record = flight().end().save(tmp_path)
    names = ["junit.xml", "record.jsonl.zst", "report.html", "result.json", "summary.md", "trades.csv"]

    report = write_reports(tmp_path, record, judge(record))
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_reports(tmp_path, record, judge(record))

    assert report == tmp_path / "report.html"
    assert sorted(first) == names
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert write_report(tmp_path / "page.html", record, judge(record)).read_bytes() == first["report.html"]


def test_reports_written_at_once_are_those_written_in_turn(tmp_path: Path) -> None:
    """Threads that render different runs do not disturb each other's bytes."""
    records = [flight(slots=slots).end().save(tmp_path / str(slots)) for slots in (2, 3, 4)]
    in_turn = [page_of(record) for record in records]

    with ThreadPoolExecutor(3) as pool:
        at_once = list(pool.map(page_of, records))

    assert at_once == in_turn


def test_several_runs_have_one_page(tmp_path: Path) -> None:
    """Failed runs come first, each links its own report where there is one, thresholds are counted over all."""
    asked = [{"metric": "leaked.tasks", "expr": "count==0"}]
    for seed, leaks in ((1, False), (2, True), (3, False)):
        tape = flight(seed=seed, thresholds=asked)
        if leaks:
            finding(tape, "leaked_task")
        record = tape.end().save(tmp_path / "runs" / f"a seed {seed}")
        if seed != 3:
            write_reports(record.path.parent, record, judge(record))
    folders = [tmp_path / "runs" / f"a seed {seed}" for seed in (1, 2, 3)]

    path = write_index(tmp_path / "all.html", evaluate(folders))

    page = Page(path.read_text(encoding="utf-8"))
    links = [value for name, value in page.attributes if name == "href"]
    assert links == ["runs/a%20seed%202/report.html", "runs/a%20seed%201/report.html"]
    assert "Fail 3 runs 1 failed, 0 inconclusive, 2 passed" in page.text
    assert "leaked.tasks count==0 2 of 3" in page.text
