"""The run folder: where it is, what is in it, and that nobody's run is lost."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard

from sim.record import open_record
from tests.flight.command import WINDTUNNEL, ZOO, Flock, Run, surroundings, windtunnel

FILES = {
    "record.jsonl.zst", "result.json", "scenario.resolved.yaml", "bot.log", "report.html", "junit.xml", "summary.md",
    "trades.csv", "cwd",
}  # fmt: skip
QUIET = """\
duration: 5s
nodes: {a: {latency: 20ms}}
bot: {script: bot.py}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a scenario of five seconds and its bot."""
    (tmp_path / "bot.py").write_text("import asyncio\n\nasyncio.run(asyncio.sleep(1))\n")
    (tmp_path / "calm.yaml").write_text(QUIET)
    return tmp_path


def frames(path: Path) -> list[bytes]:
    """Return the content of each zstd frame; every one must be complete."""
    data, found = path.read_bytes(), []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        found.append(frame.decompress(data))
        assert frame.eof
        data = frame.unused_data
    return found


def torn(run: Run, folder: Path, keep_frames: int) -> Path:
    """Return a copy of *run* whose record ends in the middle of the frame after *keep_frames*."""
    shutil.copytree(run.folder, folder, symlinks=True)
    record = folder / "record.jsonl.zst"
    data, offset = record.read_bytes(), 0
    for _ in range(keep_frames):
        frame = zstandard.ZstdDecompressor().decompressobj()
        frame.decompress(data[offset:])
        offset = len(data) - len(frame.unused_data)
    record.write_bytes(data[: offset + 20])
    return folder


def test_a_run_folder_holds_what_the_interface_says(smoke: Flock) -> None:
    """Record, result, resolved scenario, log, report, JUnit, summary: all there, and nothing of ours left over."""
    folder = smoke.run("smoke").folder

    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "result.json").read_text().startswith("{")
    assert "<testsuites" in (folder / "junit.xml").read_text()
    assert "smoke" in (folder / "summary.md").read_text()
    assert "<script src=" not in (folder / "report.html").read_text()


def test_the_record_is_lines_of_json_in_whole_frames(smoke: Flock) -> None:
    """The first line is the header with schema 1; each other has time, kind, actor, site, data; frames are whole."""
    lines = b"".join(frames(smoke.run("smoke").folder / "record.jsonl.zst")).splitlines()

    header, *events = map(json.loads, lines)
    assert lines[0].startswith(b'{"schema":1,')
    assert (header["scenario"], header["seed"]) == ("smoke", 1)
    assert {frozenset(event) for event in events} == {frozenset({"t_ns", "kind", "actor", "site", "data"})}
    assert [event["t_ns"] for event in events] == sorted(event["t_ns"] for event in events)
    assert events[-1]["kind"] == "flight.end"


def test_a_torn_record_is_read_as_far_as_it_goes(smoke: Flock, tmp_path: Path) -> None:
    """Readers take the whole frames and say what is missing: gate and report work, the verdict is inconclusive."""
    folder = torn(smoke.run("smoke"), tmp_path / "torn", 2)

    gate = windtunnel("gate", folder, "--json", cwd=tmp_path)

    assert gate.code == 3
    assert gate.results[0]["verdict"] == "inconclusive"
    assert "cut off" in gate.err
    assert windtunnel("report", folder, cwd=tmp_path).code == 0


def test_a_record_of_a_newer_schema_is_refused(smoke: Flock, tmp_path: Path) -> None:
    """The message names the version that can read it; exit code 2."""
    shutil.copytree(smoke.run("smoke").folder, tmp_path / "newer", symlinks=True)
    record = tmp_path / "newer" / "record.jsonl.zst"
    text = b"".join(frames(record))
    text = text.replace(b'{"schema":1,', b'{"schema":2,', 1).replace(b'"windtunnel":"', b'"windtunnel":"9.', 1)
    record.write_bytes(zstandard.compress(text))

    call = windtunnel("gate", "newer", cwd=tmp_path)

    assert call.code == 2
    assert re.search(r"schema 2, .*windtunnel 9\.\d", call.err)


def test_digests_are_lower_case_hex_and_differ_by_seed(smoke: Flock) -> None:
    """blake2b in lower-case hex; another seed, another digest."""
    digests = [result["digest"] for result in smoke.call.results]

    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert len(set(digests)) == 2


def test_runs_lie_under_scenario_subject_and_seed(home: Path) -> None:
    """runs/<id>/<subject8>/<seed>: the same again replaces it, another bot goes elsewhere, another world as well."""
    windtunnel("run", "calm.yaml", cwd=home)
    (first,) = home.glob("runs/calm/*/*")
    windtunnel("run", "calm.yaml", cwd=home)
    again = sorted(home.glob("runs/calm/*/*"))
    before = {path.name: path.read_bytes() for path in first.iterdir() if path.is_file()}
    other_world = windtunnel("run", "calm.yaml", "--set", "chain.slot=6s", cwd=home)
    (home / "bot.py").write_text("import asyncio\n\nasyncio.run(asyncio.sleep(2))\n")
    other_bot = windtunnel("run", "calm.yaml", cwd=home)

    assert again == [first]
    assert re.fullmatch("[0-9a-f]{8}", first.parent.name)
    assert first.name == "1"
    assert [other_world.code, other_bot.code] == [0, 0]
    assert {path.name: path.read_bytes() for path in first.iterdir() if path.is_file()} == before
    assert len(list(first.parent.iterdir())) == 2
    assert len(list(home.glob("runs/calm/*"))) == 2


def test_out_names_the_folder_itself(home: Path) -> None:
    """--out is the run's folder; of another fingerprint it is refused, and kept; other people's files too."""
    first = windtunnel("run", "calm.yaml", "--out", "here/it/is", cwd=home)
    again = windtunnel("run", "calm.yaml", "--out", "here/it/is", cwd=home)
    digest = Run(home / "here/it/is").result["digest"]
    other = windtunnel("run", "calm.yaml", "--out", "here/it/is", "--set", "chain.slot=6s", "--json", cwd=home)
    (home / "photos").mkdir()
    (home / "photos" / "holiday.jpg").write_text("sea")
    photos = windtunnel("run", "calm.yaml", "--out", "photos", cwd=home)

    assert [call.code for call in (first, again, other, photos)] == [0, 0, 2, 2]
    assert other.out == ""
    assert Run(home / "here/it/is").result["digest"] == digest
    assert (home / "photos" / "holiday.jpg").read_text() == "sea"
    assert not (home / "runs").exists()


def test_several_runs_share_the_folder_that_out_names(locks: Flock) -> None:
    """With several runs --out holds <id>/<seed>, and each line of --json is that folder's result."""
    folders = sorted((locks.folder / "opposite_locks").iterdir())

    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    assert [folder.name for folder in folders] == ["4", "5"]
    assert sorted(locks.call.results, key=lambda result: result["seed"]) == results


def test_report_wants_a_file_for_several_runs(good: Flock, tmp_path: Path) -> None:
    """One run: its own report.html. Several: exit code 2 without -o, one page with it."""
    copies = [tmp_path / name for name in ("stranger", "quiet")]
    for copy in copies:
        shutil.copytree(good.run(copy.name).folder, copy, symlinks=True)
        (copy / "report.html").unlink()

    single = windtunnel("report", copies[0], cwd=tmp_path)
    refused = windtunnel("report", *copies, cwd=tmp_path)
    several = windtunnel("report", *copies, "-o", "all.html", cwd=tmp_path)

    assert [single.code, refused.code, several.code] == [0, 2, 0]
    assert (copies[0] / "report.html").exists()
    assert not (copies[1] / "report.html").exists()
    assert "-o" in refused.err
    page = (tmp_path / "all.html").read_text()
    assert "stranger" in page
    assert "quiet" in page


def test_verbose_streams_the_bot_to_standard_error(home: Path) -> None:
    """-v shows what the bot prints, with virtual time, on standard error; standard output has the JSON alone."""
    (home / "bot.py").write_text("import sys\n\nprint('to out')\nprint('to err', file=sys.stderr)\n")

    loud = windtunnel("run", "calm.yaml", "-v", "--json", cwd=home)
    quiet = windtunnel("run", "calm.yaml", "--json", cwd=home)

    for line in ("[     0.000000] out to out", "[     0.000000] err to err"):
        assert line in loud.err
        assert line not in quiet.err
    assert len(loud.results) == 1
    assert loud.results[0]["digest"] == quiet.results[0]["digest"]


def test_what_the_library_of_the_zoo_leaves_is_in_its_folder(good: Flock) -> None:
    """Flights write into their folder alone: none left a file beside the scenarios or in the caller's folder."""
    assert {path.name for path in good.folder.iterdir()} == {result["scenario"] for result in good.call.results}
    assert not list(ZOO.glob("**/runs"))


def test_a_killed_supervisor_takes_its_flight_along_and_the_next_run_makes_room(tmp_path: Path) -> None:
    """SIGKILL to the command: the bot's process dies with it; the next run into that place says so and is whole."""
    with subprocess.Popen(
        [WINDTUNNEL, "run", ZOO / "forever.yaml", "--out", "run", "-v"], cwd=tmp_path, env=surroundings(),
        stderr=subprocess.PIPE, text=True,
    ) as supervisor:  # fmt: skip
        assert supervisor.stderr is not None
        next(line for line in supervisor.stderr if "flying" in line)
        tasks = Path(f"/proc/{supervisor.pid}/task")
        (child,) = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        supervisor.kill()
        supervisor.stderr.read()  # until the last writer, the flight, is gone
    left = [path.name for path in tmp_path.iterdir()]

    call = windtunnel("run", ZOO / "mended" / "leaks_a_task.yaml", "--out", "run", cwd=tmp_path)

    assert not Path(f"/proc/{child}").exists()
    assert left == [".run.part"]
    assert call.code == 0, call.err
    assert "an unfinished run of" in call.err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not (tmp_path / "run" / "runaway.txt").exists()


def test_two_flights_of_one_run_do_not_meet(tmp_path: Path) -> None:
    """While another process writes the run, this one writes beside it; its unfinished folder is left alone."""
    (tmp_path / ".run.part").mkdir()
    (tmp_path / ".run.part" / "theirs").touch()
    fd = os.open(tmp_path / ".run.part", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    call = windtunnel("run", ZOO / "mended" / "leaks_a_task.yaml", "--out", "run", cwd=tmp_path)

    os.close(fd)
    assert call.code == 0, call.err
    assert "unfinished" not in call.err
    assert sorted(path.name for path in tmp_path.rglob("*") if path.parent.name != "run")[:2] == [".run.part", "run"]
    assert (tmp_path / ".run.part" / "theirs").exists()


def test_the_working_directory_is_called_the_same_in_every_flight(tmp_path: Path) -> None:
    """What `os.getcwd()` and HOME say does not tell two flights of a run apart."""
    logs = []
    for _ in range(2):
        windtunnel("run", ZOO / "mirror.yaml", "--out", "run", cwd=tmp_path)
        logs.append(Run(tmp_path / "run").log)

    assert f"{tmp_path}/.run.part/cwd" in logs[0]
    assert logs[0] == logs[1]


def test_a_record_without_an_event_is_exit_code_5(tmp_path: Path) -> None:
    """Nothing ran: 5 alone, 3 beside a run that passed; result.json still says inconclusive."""
    windtunnel("run", ZOO / "mended" / "leaks_a_task.yaml", "--out", "run", cwd=tmp_path)
    header = {"schema": 1, **open_record(tmp_path / "run").header}
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "record.jsonl.zst").write_bytes(zstandard.compress(json.dumps(header).encode() + b"\n"))

    alone = windtunnel("gate", "empty", "--json", cwd=tmp_path)
    beside = windtunnel("gate", "empty", "run", cwd=tmp_path)

    assert alone.code == 5
    assert alone.results[0]["verdict"] == "inconclusive"
    assert "nothing ran" in alone.err
    assert beside.code == 3
