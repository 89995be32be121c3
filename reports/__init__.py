"""What records tell: reports, gates and the files other tools open."""

from reports.gate import Judged, evaluate
from reports.outputs import write_index, write_reports
from reports.terminal import print_verdict, print_verdicts

__all__ = ["Judged", "evaluate", "print_verdict", "print_verdicts", "write_index", "write_reports"]
