"""Tells its private key in every way a program has, and ends with an exception that holds it."""

import asyncio
import base64
import json
import logging
import os
import sys
import warnings
from pathlib import Path

KEY = os.environ["BOT_KEY"]
RAW = bytes.fromhex(KEY.removeprefix("0x"))
SPELLINGS = [
    KEY, KEY.upper(), KEY.removeprefix("0x"), str(int(KEY, 16)), RAW, list(RAW), {"key": KEY}, bytearray(RAW),
    json.dumps(list(RAW), separators=(",", ":")), base64.b64encode(RAW).decode(),
    base64.urlsafe_b64encode(RAW).decode(),
]  # fmt: skip
log = logging.getLogger("trade")


async def leak():
    await asyncio.sleep(100)


async def main():
    logging.basicConfig(level=logging.DEBUG)
    for spelling in SPELLINGS:
        print("stdout", spelling)
        print("stderr", spelling, file=sys.stderr)
        log.info("logged %s", spelling)
    for part in (KEY[:20], KEY[20:], "\n"):
        sys.stdout.write(part)
    os.write(1, f"past sys.stdout {KEY}\n".encode())
    warnings.warn(f"warned {KEY}", stacklevel=1)
    Path("notes.txt").write_text("\n".join(map(str, SPELLINGS)))
    Path("key.bin").write_bytes(RAW)
    Path(KEY).mkdir()
    (Path(KEY) / f"{KEY}.txt").write_text(KEY)
    Path("spare").symlink_to(f"{KEY}/{KEY}.txt")
    asyncio.get_running_loop().call_exception_handler({"message": f"handled {KEY}"})
    asyncio.create_task(leak(), name=f"task {KEY}")
    await asyncio.sleep(1)
    raise RuntimeError(f"cannot sign with {KEY}, {RAW!r}")


asyncio.run(main())
