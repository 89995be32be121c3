"""Contract artefacts, built at set-up: bytecode taken out of npm packages and Vyper sources compiled.

A program of the set-up (`make setup` runs it); it imports nothing of Windtunnel.

    python build.py extract NODE_MODULES OUT_DIR
    python build.py compile SOURCE.vy OUT.json

Every artefact has Foundry's shape: `{"abi": [...], "bytecode": {"object": "0x..."}, "deployedBytecode": {...}}`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Artefact name -> the npm package that carries its creation bytecode, and the file inside it.
PACKAGED = {
    "UniswapV2Factory": ("@uniswap/v2-core", "build/UniswapV2Factory.json"),
    "UniswapV2Pair": ("@uniswap/v2-core", "build/UniswapV2Pair.json"),
    "UniswapV2Router02": ("@uniswap/v2-periphery", "build/UniswapV2Router02.json"),
    "WETH9": ("canonical-weth", "build/contracts/WETH9.json"),
}
LICENCE = "@uniswap/v2-core/LICENSE"


def extract(node_modules: Path, out_dir: Path) -> None:
    """Write one artefact for each of `PACKAGED`, with the package it came from."""
    for name, (package, inside) in PACKAGED.items():
        root = node_modules / package
        origin = json.loads((root / "package.json").read_text())
        built = json.loads((root / inside).read_text())
        artefact = _artefact(
            abi=built["abi"],
            bytecode=_code(built, "bytecode"),
            deployed=_code(built, "deployedBytecode"),
            source=f"{package} {origin['version']} {inside}",
            licence=origin["license"],
        )
        _write(out_dir / f"{name}.json", artefact)
    # Whoever passes the bytecode on passes its licence on.
    shutil.copyfile(node_modules / LICENCE, out_dir / "LICENSE.GPL-3.0.txt")


def compile_vyper(source: Path, out: Path) -> None:
    """Compile *source*, unless *out* was made from the same text by the same compiler."""
    key = blake2b(source.read_bytes() + version("vyper").encode(), digest_size=16).hexdigest()
    if out.exists() and json.loads(out.read_text()).get("key") == key:
        return
    compiler = [sys.executable, "-m", "vyper.cli.vyper_compile", "-f", "abi,bytecode,bytecode_runtime", str(source)]
    run = subprocess.run(compiler, capture_output=True, text=True, check=False)  # noqa: S603 (our own compiler, our own file)
    if run.returncode:
        raise SystemExit(f"{source}: vyper {version('vyper')} refused it\n{run.stderr or run.stdout}")
    abi, bytecode, deployed = run.stdout.strip().splitlines()
    origin = f"{source.as_posix()} vyper {version('vyper')}"
    artefact = _artefact(abi=json.loads(abi), bytecode=bytecode, deployed=deployed, source=origin, licence="MIT")
    _write(out, artefact | {"key": key})


def _artefact(*, abi: list[Any], bytecode: str, deployed: str, source: str, licence: str) -> dict[str, Any]:
    return {
        "abi": abi,
        "bytecode": {"object": bytecode},
        "deployedBytecode": {"object": deployed},
        "source": source,
        "license": licence,
    }


def _code(built: dict[str, Any], field: str) -> str:
    """Return the code in *field* as `0x...`: a string in Truffle's files, `evm.FIELD.object` in solc's."""
    text: str = built["evm"][field]["object"] if "evm" in built else built[field]
    return text if text.startswith("0x") else "0x" + text


def _write(path: Path, artefact: dict[str, Any]) -> None:
    text = json.dumps(artefact, indent=1, sort_keys=True) + "\n"
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
    print(f"built {path}")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="Build contract artefacts.")
    jobs = parser.add_subparsers(required=True)
    for job, call in (("extract", extract), ("compile", compile_vyper)):
        one = jobs.add_parser(job)
        one.add_argument("source", type=Path)
        one.add_argument("out", type=Path)
        one.set_defaults(call=call)
    chosen = parser.parse_args()
    chosen.call(chosen.source, chosen.out)


if __name__ == "__main__":
    main()
