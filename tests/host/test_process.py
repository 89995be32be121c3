"""What peers of a crashed process notice."""

from __future__ import annotations

import pytest

from tests.host.flown import fly

_CRASH = """
    from sim.host.modules import HiddenModules
    from sim.host.process import Process
    from sim.host.sockets import SocketDesk
    import contextvars

    class Output:
        def start(self): pass
        def finish(self): pass

    heard = []
    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            self.say()
        def say(self):
            if not self.transport.is_closing():
                self.transport.write(b"x" * 10)
                world.call_later(0.5, self.say)
        def data_received(self, data): heard.append(["data", data.decode(), env.now // MS])
        def connection_lost(self, error): heard.append(["lost", type(error).__name__, env.now // MS])
    async def serve(): await world.create_server(Server, "node-a", 80)
    world.create_task(serve())

    shown = HiddenModules(frozenset(sys.modules), {}); shown.hide()
    process = Process(baton, network, SocketDesk(baton, network), desk, shown, Output())
    lives = []
    async def main():
        lives.append(env.now // MS)
        reader, writer = await asyncio.open_connection("node-a", 80)
        try:
            while True:
                await reader.read(100)
        finally:
            lives.append("finally")
    def crash():
        process.lose(loops, SILENT)
        loops.clear()
        env.after(10**10, again)
        while True: env.step()
    def again():
        process.renew()
        contextvars.Context().run(second)
    def second():
        async def waits():
            lives.append(env.now // MS)
            await asyncio.sleep(10)
        asyncio.run(waits())
        said.update(heard=heard, lives=lives, open=len(network.connections), now=env.now // MS)
        end()
    env.at(5 * 10**9, crash, priority=0)
    asyncio.run(main())
"""


@pytest.mark.parametrize("silent", [False, True])
def test_peers_are_reset_at_once_or_when_the_machine_is_back(silent: bool) -> None:
    """Killed: a reset within a trip. A power cut: silence, and a reset for what is sent again after the start."""
    said = fly(_CRASH.replace("SILENT", str(silent)))

    (lost,) = said["heard"]
    assert lost[:2] == ["lost", "ConnectionResetError"]
    if silent:
        assert 15_000 < lost[2] < 25_000
    else:
        assert 5_000 < lost[2] < 5_020
    assert said["lives"] == [0, 15_000]
    assert said["open"] == 0
