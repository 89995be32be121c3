"""Every clock that Python code can read tells virtual time."""

from __future__ import annotations

from tests.host.flown import fly

START = 1_700_000_000


def test_every_clock_tells_virtual_time() -> None:
    """time, datetime, their aliases and the loop agree on the flight's epoch and move by an hour when it passes."""
    said = fly("""
        import datetime
        from time import monotonic as alias
        from datetime import datetime as dt, timezone
        def read():
            return dict(
                time=time.time(), ns=time.time_ns() / 1e9, real=time.clock_gettime(time.CLOCK_REALTIME),
                gmtime=__import__("calendar").timegm(time.gmtime()), now=dt.now(timezone.utc).timestamp(),
                utcnow=dt.utcnow().replace(tzinfo=timezone.utc).timestamp(), today=dt.today().timestamp(),
                local=dt.now().timestamp(), strftime=float(time.strftime("%s")))
        def run():
            return dict(monotonic=time.monotonic(), perf=time.perf_counter(), alias=alias(),
                        ns=time.monotonic_ns() / 1e9,
                        raw=time.clock_gettime(time.CLOCK_MONOTONIC), loop=new_loop().time())
        said["wall"], mono = read(), run()
        said["date"] = str(datetime.date.today())
        said["cpu"] = time.process_time() < 1
        time.sleep(3600)
        said["later"] = {k: v - said["wall"][k] for k, v in read().items()}
        said["passed"] = {k: v - mono[k] for k, v in run().items()}
        for loop in loops: loop.close()
    """)

    assert all(abs(value - START) < 1.1 for value in said["wall"].values()), said
    assert said["date"] == "2023-11-14"
    assert said["cpu"]
    assert all(abs(value - 3600) < 1.1 for value in said["later"].values()), said
    assert all(abs(value - 3600) < 0.001 for value in said["passed"].values()), said


def test_waiting_by_reading_the_clock_ends() -> None:
    """A loop that reads the clock ends, by the cost of each reading; on a thread it does not delay the event loop."""
    said = fly("""
        until = time.monotonic() + 0.01
        n = 0
        while time.monotonic() < until: n += 1
        said["n"] = n
        time.sleep(0)
        said["now"] = env.now
        async def main():
            loop = asyncio.get_running_loop()
            def spin():
                end = time.monotonic() + 0.2
                while time.monotonic() < end: pass
            t = loop.time()
            spinning = loop.run_in_executor(None, spin)
            await asyncio.sleep(0.1)
            said["slept"] = round(loop.time() - t, 3)
            await spinning
            said["spun"] = round(loop.time() - t, 2)
        asyncio.run(main())
    """)

    assert said["n"] < 100_001
    assert 10_000_000 <= said["now"] < 10_100_000
    assert said["slept"] == 0.1
    assert said["spun"] == 0.2


def test_datetime_keeps_its_errors_and_its_class() -> None:
    """Wrong arguments of datetime.now raise as in CPython; subclasses keep their class; pickles and copies work."""
    said = fly("""
        import copy, pickle
        from datetime import datetime as dt, timedelta, timezone
        class Mine(dt): pass
        def error(*a, **k):
            try: dt.now(*a, **k)
            except Exception as e: return type(e).__name__
        said["errors"] = [error("UTC"), error(1, 2), error(zone=1), error(tz=timezone.utc)]
        said["mine"] = [type(Mine.now()).__name__, type(Mine.utcnow()).__name__, isinstance(dt.now(), dt)]
        moment = dt.now(timezone(timedelta(hours=2)))
        kept = [pickle.loads(pickle.dumps(moment)) == moment, copy.copy(moment) == moment]
        said["kept"] = [*kept, moment.isoformat()[:19]]
        def negative():
            try: time.sleep(-1)
            except ValueError as e: return str(e)
        said["negative"] = negative()
    """)

    assert said["errors"] == ["TypeError", "TypeError", "TypeError", None]
    assert said["mine"] == ["Mine", "Mine", True]
    assert said["kept"] == [True, True, "2023-11-15T00:13:20"]
    assert said["negative"] == "sleep length must be non-negative"
