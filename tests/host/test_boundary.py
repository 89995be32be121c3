"""What would leave the simulated machine is refused at the call, with its name."""

from __future__ import annotations

from tests.host.flown import fly


def test_processes_and_real_sockets_are_refused() -> None:
    """Subprocesses, fork, exec, os.system and real sockets raise BoundaryError, and each refusal is told."""
    said = fly("""
        import socket, subprocess
        def error(f, *args):
            try: f(*args)
            except BaseException as e: return type(e).__name__
        said["errors"] = [
            error(subprocess.run, ["true"]), error(os.fork), error(os.system, "true"),
            error(os.execv, "/bin/true", ["x"]),
            error(os.posix_spawn, "/bin/true", ["true"], {}), error(socket.socket().connect, ("127.0.0.1", 1)),
            error(socket.getaddrinfo, "node-a", 80), error(socket.create_connection, ("1.1.1.1", 80)),
        ]
        said["told"] = len(refused)
        said["local"] = [s.close() for s in socket.socketpair()]
    """)

    assert said == {"errors": ["BoundaryError"] * 8, "told": 8, "local": [None, None]}


def test_a_boundary_error_is_no_network_error() -> None:
    """A retry loop around OSError does not swallow it, and it names a mend."""
    said = fly("""
        async def main():
            try: await asyncio.create_subprocess_exec("true")
            except OSError: said["caught"] = "OSError"
            except RuntimeError as e: said["caught"] = str(e)
        asyncio.run(main())
    """)

    assert said["caught"].startswith("loop.subprocess_exec is not simulated")
