"""The bot's output becomes stamped lines without keys."""

from __future__ import annotations

import io

from sim.host.output import LogFile, Redactor
from tests.host.flown import fly

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe512961708279feb1be6ae5538da033")


def test_lines_are_stamped_with_virtual_time() -> None:
    """A line carries seconds and microseconds of the flight, its channel, and goes to the echo too."""
    file, echo = io.BytesIO(), io.BytesIO()
    log = LogFile(file, lambda: 12_345_678_901, Redactor([]), echo)

    log.line("out", b"hello")

    assert file.getvalue() == b"[    12.345678] out hello\n"
    assert echo.getvalue() == file.getvalue()


def test_keys_are_struck_out_in_every_case() -> None:
    """Hexadecimal in both cases and the decimal number of a key become ***."""
    redactor = Redactor([KEY])
    texts = [KEY.hex(), "0x" + KEY.hex().upper(), str(int.from_bytes(KEY, "big"))]

    struck = [redactor.text(f"key={text};") for text in texts]

    assert all("***" in text for text in struck)
    assert not any(KEY.hex() in text.lower() for text in struck)
    assert redactor.data(b"a" + KEY + b"b") == b"a***b"


def test_captured_streams_are_whole_lines_and_have_descriptors() -> None:
    """print, partial writes and the buffer arrive as lines; fileno answers, so faulthandler can be enabled."""
    said = fly("""
        import io
        from sim.host.output import CapturedOutput, LogFile, Redactor
        file = io.BytesIO()
        real, kept = sys.stdout, os.dup(1)
        output = CapturedOutput(LogFile(file, lambda: env.now, Redactor([])), os.open(os.devnull, os.O_WRONLY))
        output.start()
        print("one")
        sys.stdout.write("tw"); sys.stdout.write("o\\n")
        time.sleep(1.5)
        print("ü", file=sys.stderr); sys.stdout.buffer.write(b"raw\\nlast")
        said["descriptors"] = [sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.isatty()]
        import faulthandler; faulthandler.enable()
        output.finish()
        os.dup2(kept, 1); sys.stdout = real
        said["lines"] = [line[16:] for line in file.getvalue().decode().splitlines()]
        said["stamps"] = sorted({line[:8].strip("[ .") for line in file.getvalue().decode().splitlines()})
    """)

    assert said["lines"] == ["out one", "out two", "err ü", "out raw", "out last"]
    assert said["stamps"] == ["0", "1"]
    assert said["descriptors"] == [1, 2, False]
