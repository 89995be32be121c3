"""Reads the kernel's chance past `os.urandom`."""

from pathlib import Path

with Path("/dev/urandom").open("rb") as device:
    print(device.read(8).hex())
