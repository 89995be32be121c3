"""What a gate answers about a run, and the form in which it is written down."""

from sim.verdict.finding import Finding
from sim.verdict.judge import EXIT_NOTHING_RAN, ThresholdResult, Verdict, exit_code_of, judge
from sim.verdict.known import KnownFinding, known_of, load_known
from sim.verdict.result import result_line, result_of, write_result, write_whole

__all__ = [
    "EXIT_NOTHING_RAN",
    "Finding",
    "KnownFinding",
    "ThresholdResult",
    "Verdict",
    "exit_code_of",
    "judge",
    "known_of",
    "load_known",
    "result_line",
    "result_of",
    "write_result",
    "write_whole",
]
