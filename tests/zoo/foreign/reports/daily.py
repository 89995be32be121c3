from pathlib import Path


def write_daily(total):
    Path("daily.txt").write_text(f"total {total}\n")
