"""Every way to an event loop that asyncio and uvloop offer leads a bot to loops of one virtual time."""

from __future__ import annotations

from tests.host.flown import fly


def test_every_entry_of_asyncios_makes_our_loop() -> None:
    """asyncio.run, Runner, new_event_loop, the policy and the classes make loops of which isinstance knows all."""
    said = fly("""
        from asyncio import base_events, unix_events
        made = []
        async def main(): made.append(asyncio.get_running_loop()); await asyncio.sleep(1); return len(made)
        results = [asyncio.run(main())]
        with asyncio.Runner() as runner: results.append(runner.run(main()))
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner: results.append(runner.run(main()))
        class Own(asyncio.SelectorEventLoop):
            pass
        with asyncio.Runner(loop_factory=Own) as runner: results.append(runner.run(main()))
        for each in (asyncio.new_event_loop(), asyncio.DefaultEventLoopPolicy().new_event_loop(),
                     asyncio.SelectorEventLoop(None), unix_events.SelectorEventLoop(selector=None)):
            results.append(each.run_until_complete(main()))
            each.close()
        said["results"] = results
        said["ours"] = [isinstance(each, SimLoop) for each in made]
        said["selector"] = [isinstance(each, asyncio.SelectorEventLoop) for each in made]
        said["stock"] = [issubclass(asyncio.SelectorEventLoop, kind) for kind in
                         (asyncio.AbstractEventLoop, base_events.BaseEventLoop)]
        said["foreign"] = [isinstance(each, asyncio.SelectorEventLoop) for each in (None, world)]
        said["shown"] = len(loops) == len(set(map(id, made))) == 8
        said["seconds"] = round(env.now / 1e9)
    """)

    assert said == {
        "results": list(range(1, 9)),
        "ours": [True] * 8,
        "selector": [True] * 8,
        "stock": [True, True],
        "foreign": [False, False],
        "shown": True,
        "seconds": 8,
    }


UVLOOP = """
    import pathlib, tempfile
    package = pathlib.Path(tempfile.mkdtemp()) / "uvloop.py"
    package.write_text("class Loop: pass\\nclass EventLoopPolicy: pass\\n"
                       "def install(): raise SystemExit('the real one')\\nrun = new_event_loop = install\\n")
    sys.path.insert(0, str(package.parent))
    import uvloop
    async def main(): await asyncio.sleep(1); return type(asyncio.get_running_loop()).__mro__[1].__name__
"""
"""A module of uvloop's shape: each of its entry points is replaced, so nothing of a real one would be called."""


def test_uvloop_is_taken_over_and_said_so() -> None:
    """install, run, new_event_loop, EventLoopPolicy and Loop lead to our loop; that is said once."""
    said = fly(f"""{UVLOOP}
    uvloop.install()
    said["ran"] = [asyncio.run(main()), uvloop.run(main())]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner: said["ran"].append(runner.run(main()))
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    said["ran"].append(asyncio.run(main()))
    said["loop"] = [isinstance(each, uvloop.Loop) for each in loops]
    said["notes"] = notes
    """)

    assert said["ran"] == ["SimLoop"] * 4
    assert said["loop"] == [True] * 4
    assert len(said["notes"]) == 1
    assert said["notes"][0].startswith("uvloop was asked for: the flight runs on Windtunnel's own loop")


def test_uvloop_that_is_only_imported_is_not_said() -> None:
    """An import alone changes nothing and says nothing."""
    said = fly(f"""{UVLOOP}
    said["ran"] = asyncio.run(main())
    said["notes"] = notes
    """)

    assert said == {"ran": "SimLoop", "notes": []}


def test_loops_in_threads_share_one_time() -> None:
    """Two loops, one in a thread: their timers interleave on one clock, and each calls into the other in time."""
    said = fly("""
        order = []
        def note(name): order.append([name, round(env.now / 1e9, 2)])
        async def ticks(name, period):
            for n in range(3):
                await asyncio.sleep(period)
                note(f"{name} {n}")
        def other():
            with asyncio.Runner() as runner:
                inner.append(runner.get_loop())
                runner.run(ticks("thread", 1))
        async def main():
            thread = threading.Thread(target=other)
            thread.start()
            await ticks("main", 0.75)
            future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.25, "from the other loop"), inner[0])
            note(await asyncio.wrap_future(future))
            await asyncio.to_thread(thread.join)
        inner = []
        asyncio.run(main())
        said["order"] = order
    """)

    assert said["order"] == [
        ["main 0", 0.75],
        ["thread 0", 1.0],
        ["main 1", 1.5],
        ["thread 1", 2.0],
        ["main 2", 2.25],
        ["from the other loop", 2.5],
        ["thread 2", 3.0],
    ]
