"""The command line answers wrong input with exit code 2, one message and an empty standard output."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from sim.cli import main
from tests.flight.command import ROOT, ZOO, Call, windtunnel

SCENARIO = """\
duration: 10s
nodes:
  a: {latency: 20ms}
chain:
  slot: 12s
bot: {script: bot.py}
thresholds:
  bot.sent: ["count==0"]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a scenario and its bot."""
    (tmp_path / "bot.py").write_text("import asyncio\n\nasyncio.run(asyncio.sleep(1))\n")
    (tmp_path / "one.yaml").write_text(SCENARIO)
    return tmp_path


@pytest.fixture
def called(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Call]:
    """The command's main function in this process, which saves loading it anew for every option.

    Patched is only what a caller sets, its directory and its words, so that pytest gives them back.
    """

    def call(*words: str) -> Call:
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, "argv", ["windtunnel", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Call(int(ended.value.code or 0), printed.out, printed.err)

    return call


def assert_refused(call: Call, *words: str) -> None:
    """Expect exit code 2, nothing on standard output, each of *words* in the message, and no traceback."""
    assert call.code == 2, call.err
    assert call.out == ""
    for word in words:
        assert word in call.err, call.err
    assert "Traceback" not in call.err


MISTAKES = [
    ("  slot: 12s", "  slott: 12s", ":5:3: chain.slott: unknown key 'slott'; did you mean 'slot'?"),
    ("  slot: 12s", "  slot: 12", ":5:9: chain.slot: 12 has no unit"),
    ("  slot: 12s", "  slot: 12s\n  slot: 3s", ":6:3: "),
    ("  bot.sent:", "  bot.sen:", ":8:3: thresholds.\"bot.sen\": unknown metric 'bot.sen'; did you mean 'bot.sent'?"),
    ("count==0", "count=0", ":8:14: thresholds.\"bot.sent\"[0]: unknown operator '='"),
    ("count==0", "counts==0", ':8:14: thresholds."bot.sent"[0]: bot.sent is a counter'),
    ("bot.py", "boot.py", ":6:15: "),
    ("20ms}", "20ms", ":3:6: "),
    ("duration: 10s", "duration: 10 parsecs", ":1:11: "),
]


def test_a_broken_scenario_names_line_and_column(home: Path) -> None:
    """`validate` says file, line, column and the mend of each broken file, with exit code 2."""
    for number, (right, wrong, _) in enumerate(MISTAKES):
        assert right in SCENARIO
        (home / f"broken{number}.yaml").write_text(SCENARIO.replace(right, wrong))

    call = windtunnel("validate", *(f"broken{number}.yaml" for number in range(len(MISTAKES))), cwd=home)

    assert_refused(call, *(f"broken{number}.yaml{message}" for number, (_, _, message) in enumerate(MISTAKES)))


def test_nothing_flies_if_one_scenario_is_broken(home: Path) -> None:
    """`run` reads every scenario before the first flight: exit code 2, standard output empty, no folder."""
    (home / "broken.yaml").write_text(SCENARIO.replace("slot:", "slott:"))

    call = windtunnel("run", "one.yaml", "broken.yaml", "--json", cwd=home)

    assert_refused(call, "broken.yaml:5:3: chain.slott: unknown key 'slott'; did you mean 'slot'?")
    assert not (home / "runs").exists()


def test_a_message_quotes_the_line_with_a_caret(home: Path) -> None:
    """Below the message stands the line, and a caret under the place."""
    (home / "broken.yaml").write_text(SCENARIO.replace("slot:", "slott:"))

    call = windtunnel("validate", "broken.yaml", cwd=home)

    lines = call.err.splitlines()
    assert lines[1].strip() == "slott: 12s"
    assert lines[2].index("^") == lines[1].index("slott")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--faults", "nope"], "--faults nope: the scenario has no fault 'nope'"),
        (["--engine", "revm"], "--engine revm: the native engine is not built here; build it with"),
        (["--engine", "both"], "build it with"),
        (["--engine", "geth"], "there are pyevm, revm and both"),
        (["--seed", "1", "--seeds", "1..2"], "--seed and --seeds: give one of them"),
        (["--seeds", "2..1"], "A must be at most B"),
        (["--seeds", "2"], "write A..B"),
        (["--seed", str(2**64)], "--seed"),
        (["--seed", "-1"], "--seed"),
        (["-j", "0"], "-j"),
        (["--wall-limit", "0"], "--wall-limit"),
        (["--known", "nothere.yaml"], "nothere.yaml"),
        (["--bot", "nothere.py"], "nothere.py"),
        (["--bot", "no.such.module:main"], "no.such.module:main"),
        (["--out", "one.yaml"], "it is a file"),
        (["--nope"], "--nope"),
    ],
)
def test_a_wrong_option_is_refused(words: list[str], message: str, called: Callable[..., Call]) -> None:
    """Each wrong option is told by its name; a fault, an engine or a metric that is not there, too."""
    assert_refused(called("run", "one.yaml", "--json", *words), message)


@pytest.mark.parametrize(
    ("argument", "message", "caret"),
    [
        ("chain.slott=3s", "did you mean 'slot'?", "slott"),
        ("chain.slot=3", "3 has no unit", "3"),
        ('thresholds."bot.sen"=["count==0"]', "did you mean 'bot.sent'?", '"bot.sen"'),
        ("chain.slot", "'=' is missing", ""),
        ("nodes[0].latency=1ms", "nodes is a map", "[0]"),
        ("chain.slot=[", "", ""),
    ],
)
def test_a_wrong_set_quotes_its_argument_with_a_caret(
    argument: str, message: str, caret: str, called: Callable[..., Call]
) -> None:
    """The message repeats the argument, and a caret stands under the part at fault."""
    call = called("run", "one.yaml", "--set", argument)

    assert_refused(call, "--set", message, argument)
    lines = call.err.splitlines()
    quoted = next(number for number, line in enumerate(lines) if line.strip() == argument)
    place = lines[quoted + 1].index("^")
    if caret:
        assert lines[quoted].index(caret) <= place <= lines[quoted].index(caret) + len(caret)


def test_set_reaches_maps_lists_and_quoted_keys_from_left_to_right(home: Path) -> None:
    """Keys joined by dots, `[n]` in lists, other keys in double quotes; the last of two wins; the file's rules hold."""
    sets = ["chain.slot=1s", "chain.slot=2s", 'thresholds."bot.sent"[0]="count>=0"', "bot.env={A: b}"]
    words = [word for each in sets for word in ("--set", each)]

    call = windtunnel("run", "one.yaml", *words, "--out", "run", "--json", cwd=home)

    assert call.code == 0, call.err
    text = (home / "run" / "scenario.resolved.yaml").read_text()
    assert "slot: 2s" in text
    assert [each["expr"] for each in call.results[0]["thresholds"]] == ["count>=0"]
    assert "--set chain.slot=1s --set chain.slot=2s" in call.results[0]["replay"]


@pytest.mark.parametrize("command", ["gate", "report", "replay"])
def test_a_folder_without_a_record_is_refused(command: str, home: Path, called: Callable[..., Call]) -> None:
    """Commands on run folders say that there is no record, with exit code 2."""
    assert_refused(called(command, str(home)), "no such record")


@pytest.mark.parametrize("command", ["run", "validate", "gate", "report", "replay", "bogus"])
def test_a_call_without_arguments_is_a_usage_error(command: str, called: Callable[..., Call]) -> None:
    """A command that lacks its argument, and one that is none, are exit code 2."""
    assert_refused(called(command))


def test_validate_goes_through_all_files(home: Path) -> None:
    """Each file gets its line; one bad file makes exit code 2, good ones 0; scenarios that ship are valid."""
    (home / "broken.yaml").write_text("duration: 1\n")
    shipped = [*sorted((ROOT / "scenarios").glob("*.yaml")), ZOO / "stranger.yaml"]

    good = windtunnel("validate", "one.yaml", *shipped, cwd=home)
    bad = windtunnel("validate", "broken.yaml", "one.yaml", "nothere.yaml", cwd=home)

    assert good.code == 0, good.err
    assert good.err.count(": valid") == len(shipped) + 1
    assert_refused(bad, "broken.yaml:1:11", "one.yaml: valid", "nothere.yaml: no such file")


def test_schema_is_json_schema_that_the_scenarios_satisfy(home: Path) -> None:
    """`schema` prints JSON Schema draft 7 on standard output."""
    call = windtunnel("schema", cwd=home)

    schema = json.loads(call.out)
    assert call.code == 0
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)


def test_help_and_version_answer(called: Callable[..., Call]) -> None:
    """--help of the command and of each subcommand gives an example; --version prints the version."""
    version = called("--version")

    assert version.code == 0
    assert re.fullmatch(r"windtunnel \d+\.\d+\.\d+\S*\n", version.out)
    for command in ("run", "validate", "schema", "gate", "report", "replay"):
        call = called(command, "--help")
        assert call.code == 0
        assert "Example" in call.out


@pytest.mark.parametrize(
    ("artifact", "contract", "message"),
    [
        ("nonsense", "artifact: c.json", "c.artifact: "),
        ('{"abi": [], "bytecode": "0x00"}', "artifact: c.json, args: [1]", "c.args: c's constructor takes 0 arguments"),
        (
            '{"abi": [], "bytecode": "0x00"}',
            "artifact: c.json, calls: [{function: f}]",
            "calls[0]: c has no function 'f'",
        ),
        ('{"abi": [], "bytecode": "0x"}', "artifact: c.json", "`bytecode` is empty"),
    ],
)
def test_a_contract_that_cannot_be_deployed_is_told_before_anything_flies(
    artifact: str, contract: str, message: str, home: Path, called: Callable[..., Call]
) -> None:
    """An artefact that is none, wrong arguments and unknown functions are found at their line, flying or not."""
    (home / "c.json").write_text(artifact)
    (home / "broken.yaml").write_text(SCENARIO + f"contracts:\n  c: {{{contract}}}\n")

    for command in ("run", "validate"):
        assert_refused(called(command, "broken.yaml"), "broken.yaml:10:", message)


def test_a_folder_that_cannot_be_made_is_told(called: Callable[..., Call]) -> None:
    """--out where nothing can be written is the caller's mistake, not ours."""
    assert_refused(called("run", "one.yaml", "--json", "--out", "/proc/nowhere/run"), "/proc/nowhere/run")
