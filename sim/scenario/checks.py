"""What must hold between the parts of a scenario: names that are used exist, files are there, times fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Any

from sim.scenario import references
from sim.scenario.chain import DECIMALS, Contract
from sim.scenario.costs import unknown_functions
from sim.scenario.document import KEY, Document, Path
from sim.scenario.links import ANY, Behaviour, Ends, sites
from sim.scenario.model import Scenario
from sim.scenario.network_faults import At, DegradeFault, DnsFault
from sim.scenario.source import Place, Problem, Source
from sim.scenario.values import format_duration, suggestion

TEMPLATE_BYTES_MAX = 1 << 20
RELATIVE = "a relative path starts at the file it stands in"


def problems(scenario: Scenario, document: Document) -> Iterator[Problem]:
    """Yield everything that is wrong with a scenario whose values are right one by one."""
    for part in (_hosts, _links, _accounts, _contracts, _market, _faults, _bot, _costs):
        for path, message in part(scenario):
            yield document.problem(path, message)
    known = references.names(scenario)
    for path, template in _templates(scenario):
        for bad in references.check(template, known):
            yield document.problem(path, bad.message, bad.text)
    yield from _files(scenario, document, known)


Finding = tuple[Path, str]


def _one_of(values: dict[str, Any], path: Path) -> Iterator[Finding]:
    given = [key for key, value in values.items() if value is not None]
    if len(given) != 1:
        found = f"{' and '.join(given)} are given" if given else "none is given"
        yield path, f"needs exactly one of {', '.join(values)}; {found}"


def _known(name: str | None, there: Collection[str], what: str, path: Path) -> Iterator[Finding]:
    if name is not None and name not in there:
        hint = suggestion(name, list(there))
        listed = f"there are {', '.join(there)}" if there else f"the scenario has no {what}s"
        yield path, f"no {what} is named '{name}'{hint or '; ' + listed}"


def _hosts(scenario: Scenario) -> Iterator[Finding]:
    servers = {f"node-{name}": name for name in scenario.nodes}
    for name, host in scenario.hosts.items():
        path: Path = ("hosts", name)
        yield from _one_of(
            {"node": host.node, "app": host.app, "refuse": host.refuse, "blackhole": host.blackhole}, path
        )
        yield from _known(host.node, scenario.nodes, "node", (*path, "node"))
        if host.blackhole and host.site is not None:
            yield (*path, "site", KEY), "a black hole stands at a site of its own"
        if name.lower() in servers:
            yield (*path, KEY), f"'{name}' is the host of node {servers[name.lower()]} already"


def _links(scenario: Scenario) -> Iterator[Finding]:
    for index, link in enumerate(scenario.links):
        path: Path = ("links", index)
        yield from _ends(link, scenario, path)
        if link.model_fields_set <= set(Ends.model_fields):
            yield path, f"says nothing; give one of {', '.join(Behaviour.model_fields)}, trace"
        if link.trace is not None and link.between is None:
            yield (*path, "trace", KEY), "a trace holds requests and answers; give between, for both directions"
        if link.trace is not None and link.delay is not None:
            yield (*path, "delay", KEY), "delay and trace are both given; keep one"
        if link.correlation is not None and link.jitter is None:
            yield (*path, "correlation", KEY), "correlation is that of a jitter; give jitter too"


def _ends(ends: Ends, scenario: Scenario, path: Path) -> Iterator[Finding]:
    if (ends.between is None) == (ends.source is None and ends.target is None):
        yield path, "needs either between, as in [bot, node-a], or from and to"
    elif ends.between is None and (ends.source is None or ends.target is None):
        yield path, f"needs {'from' if ends.source is None else 'to'} as well; `*` is every site"
    there = [*dict.fromkeys(sites(scenario).values())]
    for where, name in ends.named():
        if name != ANY:
            yield from _known(name.lower(), there, "site", (*path, *where))
    if ends.between is not None and len({each.lower() for each in ends.between}) == 1:
        yield (*path, "between"), f"both ends are '{ends.between[0]}'; a link lies between two sites"


def _accounts(scenario: Scenario) -> Iterator[Finding]:
    keys: dict[bytes, str] = {}
    for name, account in scenario.accounts.items():
        yield from _tokens(scenario, account.tokens, ("accounts", name, "tokens"))
        if account.key is not None:
            other = keys.setdefault(account.key.value, name)
            if other != name:
                yield ("accounts", name, "key"), f"accounts {other} and {name} have the same key"


def _tokens(scenario: Scenario, tokens: Collection[str], path: Path) -> Iterator[Finding]:
    for token in tokens:
        yield from _known(token, scenario.contracts, "contract", (*path, token, KEY))


def _contracts(scenario: Scenario) -> Iterator[Finding]:
    for name, contract in scenario.contracts.items():
        path: Path = ("contracts", name)
        if contract.at is None or contract.artifact is None:
            yield from _one_of({"kind": contract.kind, "artifact": contract.artifact, "at": contract.at}, path)
        yield from _known(contract.sender, scenario.accounts, "account", (*path, "from"))
        yield from _unused(contract, path)
        for index, call in enumerate(contract.calls):
            yield from _known(call.sender, scenario.accounts, "account", (*path, "calls", index, "from"))


def _unused(contract: Contract, path: Path) -> Iterator[Finding]:
    if contract.args and (contract.artifact is None or contract.at is not None):
        yield (*path, "args", KEY), "arguments go to a constructor, which only an artifact without at runs"
    if contract.kind != "erc20" and contract.decimals != DECIMALS:
        yield (*path, "decimals", KEY), "only a contract of kind erc20 takes decimals"


def _market(scenario: Scenario) -> Iterator[Finding]:
    market = scenario.market
    wrapped = {name for name, contract in scenario.contracts.items() if contract.kind == "weth9"}
    for name, venue in market.venues.items():
        path: Path = ("market", "venues", name)
        if name in scenario.contracts:
            yield (*path, KEY), f"a contract is named '{name}' too; both would be ${{contracts.{name}...}}"
        for index, pool in enumerate(venue.pools):
            inner: Path = (*path, "pools", index, "reserves")
            yield from _tokens(scenario, pool.reserves, inner)
            if len(wrapped & set(pool.reserves)) != 1:
                yield inner, f"one of the two tokens is the wrapped ether, {' or '.join(sorted(wrapped)) or 'weth'}"
    for token in market.price:
        yield from _known(token, scenario.contracts, "contract", ("market", "price", token, KEY))
    traded = {token for venue in market.venues.values() for pool in venue.pools for token in pool.reserves}
    actors: list[tuple[Path, Any]] = [(("market", "rivals", index), rival) for index, rival in enumerate(market.rivals)]
    actors += [(("market", "flow"), market.flow)] if market.flow is not None else []
    for path, actor in actors:
        yield from _tokens(scenario, actor.tokens, (*path, "tokens"))
        for token in sorted(traded - wrapped - set(market.price)):
            yield path, f"values tokens by their reference price; add market.price.{token}"
        if not traded:
            yield path, "has nowhere to trade; add market.venues"
    yield from _rivals(scenario)


def _rivals(scenario: Scenario) -> Iterator[Finding]:
    seen = set(scenario.accounts)
    for index, rival in enumerate(scenario.market.rivals):
        path: Path = ("market", "rivals", index)
        if rival.id in seen:
            yield (*path, "id"), f"'{rival.id}' is the name of an account or rival already"
        seen.add(rival.id)
        if rival.share_low > rival.share_high:
            yield (*path, "share_low"), "share_low is above share_high"


def _faults(scenario: Scenario) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, fault in enumerate(scenario.faults):
        path: Path = ("faults", index)
        if fault.id in seen:
            yield (*path, "id"), f"'{fault.id}' is the id of faults[{seen[fault.id]}] already"
        seen.setdefault(fault.id, index)
        yield from _one_of({"at": fault.at, "rate": fault.rate}, path)
        if fault.every is not None and (fault.at is None or len(fault.at) != 1):
            yield (*path, "every"), "every goes with a single at"
        for instant_ns in fault.at or ():
            if instant_ns >= scenario.duration:
                end = format_duration(scenario.duration)
                yield (*path, "at"), f"{format_duration(instant_ns)} is not before the end of the flight, {end}"
        if fault.kind == "reorg" and fault.depth > scenario.chain.finalized_depth:
            limit = scenario.chain.finalized_depth
            yield (*path, "depth"), f"a reorg of {fault.depth} would undo finalized blocks ({limit} below the head)"
        if isinstance(fault, At):
            yield from _one_of({"node": fault.node, "host": fault.host}, path)
            yield from _known(fault.node, scenario.nodes, "node", (*path, "node"))
            yield from _known(fault.host, scenario.hosts, "host", (*path, "host"))
        if isinstance(fault, Ends):
            yield from _ends(fault, scenario, path)
        if isinstance(fault, DegradeFault) and not fault.model_fields_set & set(Behaviour.model_fields):
            yield path, f"changes nothing; give one of {', '.join(Behaviour.model_fields)}"
        if isinstance(fault, DnsFault):
            yield from _one_of({"answer": fault.answer, "to": fault.to}, path)
            there = [*scenario.hosts, *(f"node-{name}" for name in scenario.nodes)]
            yield from _known(fault.to, there, "host", (*path, "to"))


def _bot(scenario: Scenario) -> Iterator[Finding]:
    bot = scenario.bot
    if bot is None:
        return
    if bot.entry is None and bot.script is None:
        yield ("bot",), "needs one of entry and script, or give --bot"
    elif bot.entry is not None and bot.script is not None:
        yield ("bot", "script", KEY), "entry and script are both given; keep one"
    if not bot.path.is_dir():
        yield ("bot", "path"), f"no folder {bot.path}; {RELATIVE}"
    elif bot.entry is not None:
        top = bot.entry.partition(":")[0].partition(".")[0]
        if not _is_importable(bot.path, top):
            there = [
                each.stem for each in bot.path.iterdir() if each.suffix == ".py" or (each / "__init__.py").is_file()
            ]
            hint = suggestion(top, there) or "; set bot.path to the folder that holds it"
            yield ("bot", "entry"), f"no module '{top}' in {bot.path}{hint}"


def _costs(scenario: Scenario) -> Iterator[Finding]:
    bot = scenario.bot
    if bot is not None and (bot.entry is None) != (bot.script is None):
        for name, message in unknown_functions(bot.cpu, bot.script, bot.path):
            yield ("bot", "cpu", name, KEY), message


def _is_importable(directory: FilePath, top: str) -> bool:
    if (directory / top).is_dir() or any(directory.glob(f"{top}.*")):
        return True
    try:
        return find_spec(top) is not None
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        return False


def _templates(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    if scenario.bot is not None:
        yield from ((("bot", "env", name), text) for name, text in scenario.bot.env.items())
        yield from ((("bot", "args", index), text) for index, text in enumerate(scenario.bot.args))
    for name, contract in scenario.contracts.items():
        yield from _texts(contract.args, ("contracts", name, "args"))
        for index, call in enumerate(contract.calls):
            yield from _texts(call.args, ("contracts", name, "calls", index, "args"))


def _texts(argument: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(argument, tuple):
        for index, item in enumerate(argument):
            yield from _texts(item, (*path, index))
    elif isinstance(argument, str):
        yield path, argument


def _files(scenario: Scenario, document: Document, known: Collection[str]) -> Iterator[Problem]:
    wanted: list[tuple[Path, FilePath]] = [
        (("contracts", name, "artifact"), contract.artifact)
        for name, contract in scenario.contracts.items()
        if contract.artifact is not None
    ]
    templates = []
    if scenario.bot is not None:
        wanted += [(("bot", "script"), scenario.bot.script)] if scenario.bot.script is not None else []
        templates = [(("bot", "files", target), path) for target, path in scenario.bot.files.items()]
    for where, path in wanted + templates:
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else f"does not exist; {RELATIVE}"
            yield document.problem(where, f"{path} {what}")
    for where, path in templates:
        if path.is_file():
            yield from _template_file(path, where, document, known)


def _template_file(path: FilePath, where: Path, document: Document, known: Collection[str]) -> Iterator[Problem]:
    if path.stat().st_size > TEMPLATE_BYTES_MAX:
        yield document.problem(where, f"{path} is larger than {TEMPLATE_BYTES_MAX} bytes")
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield document.problem(where, f"cannot read {path}: {error}")
        return
    source = Source(str(path), path.parent, tuple(text.split("\n")))
    for bad in references.check(text, known):
        before = text[: bad.offset]
        yield Problem(Place(source, before.count("\n") + 1, bad.offset - before.rfind("\n")), bad.message)
