"""Signals without a kernel: dispositions, handlers, and who is called in which order."""

from __future__ import annotations

import pytest

from tests.host.flown import fly


def test_default_dispositions() -> None:
    """SIGTERM ends the process, SIGINT raises KeyboardInterrupt, SIGCHLD and ignored signals do nothing."""
    said = fly("""
        signal.raise_signal(signal.SIGCHLD)
        signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        try: os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt: said["int"] = "raised"
        said["ended"] = [int(n) for n in ended]
        said["is"] = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        def error(f):
            try: f()
            except Exception as e: return type(e).__name__
        said["errors"] = [error(lambda: signal.signal(9, signal.SIG_DFL)), error(lambda: signal.signal(15, 7)),
                          error(lambda: signal.alarm(1)), error(lambda: signal.pause()), error(lambda: os.kill(1, 15))]
    """)

    assert said == {
        "int": "raised",
        "ended": [15],
        "is": True,
        "errors": ["OSError", "TypeError", "OSError", "BoundaryError", "PermissionError"],
    }


def test_loop_handlers_and_signal_handlers_are_both_called() -> None:
    """A signal.signal after add_signal_handler adds to it, as in stock asyncio; closing the loop undoes it."""
    said = fly("""
        calls = []
        async def main():
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, calls.append, "loop")
            before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append("signal"))
            said["shown"] = callable(before)
            env.after(10**9, desk.deliver, signal.SIGTERM)
            await asyncio.sleep(2)
            said["removed"] = [loop.remove_signal_handler(signal.SIGTERM), loop.remove_signal_handler(signal.SIGTERM)]
            loop.add_signal_handler(signal.SIGHUP, calls.append, "hup")
        asyncio.run(main())
        said["after"] = [signal.getsignal(n) is signal.SIG_DFL for n in (signal.SIGTERM, signal.SIGHUP)]
        said["calls"] = calls
    """)

    assert said == {"shown": True, "removed": [True, False], "after": [True, True], "calls": ["signal", "loop"]}


def test_interrupts_pass_through_asyncio_run() -> None:
    """SIGINT cancels the main task, which cleans up; asyncio.run raises KeyboardInterrupt."""
    said = fly("""
        order = []
        async def main():
            try: await asyncio.sleep(100)
            except asyncio.CancelledError:
                order.append("cancelled"); await asyncio.sleep(1); order.append("cleaned"); raise
        env.after(5 * 10**9, desk.deliver, signal.SIGINT)
        try: asyncio.run(main())
        except KeyboardInterrupt: order.append("interrupt")
        back = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        said.update(order=order, now=env.now // 10**9, back=back)
    """)

    assert said == {"order": ["cancelled", "cleaned", "interrupt"], "now": 6, "back": True}


def test_a_handler_that_raises_leaves_the_loop() -> None:
    """An exception of a signal handler comes out of run_forever, and the loop can be run again."""
    said = fly("""
        class Stop(BaseException): pass
        def handler(number, frame): raise Stop
        signal.signal(signal.SIGUSR1, handler)
        loop = new_loop()
        env.after(10**9, desk.deliver, signal.SIGUSR1)
        try: loop.run_until_complete(asyncio.sleep(10, "never"))
        except Stop: said["first"] = env.now
        for task in asyncio.all_tasks(loop): task.cancel()
        said["second"] = loop.run_until_complete(asyncio.sleep(1, "again"))
        said["now"] = env.now // 10**9
        loop.close()
    """)

    assert said == {"first": 1_000_000_000, "second": "again", "now": 2}


def test_signals_from_threads_reach_the_main_thread() -> None:
    """os.kill in a worker runs the handler on the main thread; a worker may not set one."""
    said = fly("""
        names = []
        signal.signal(signal.SIGTERM, lambda number, frame: names.append(threading.current_thread().name))
        def work():
            os.kill(os.getpid(), signal.SIGTERM)
            try: signal.signal(signal.SIGTERM, signal.SIG_DFL)
            except ValueError: names.append("refused")
        thread = threading.Thread(target=work); thread.start(); thread.join(); time.sleep(0.1)
        said["names"] = sorted(names)
    """)

    assert said == {"names": ["MainThread", "refused"]}


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_is_delivered_between_callbacks(sign: str) -> None:
    """A signal waits while two callbacks of a turn work; signal.signal's handler comes next, the loop's in a turn."""
    said = fly(
        """
        calls = []
        def note(what): calls.append([what, asyncio._get_running_loop() is not None and loop._pumping])
        def work(name):
            calls.append(name + " begins")
            until = time.monotonic() + 0.2
            while time.monotonic() < until: pass
            calls.append(name + " ends")
        async def main():
            global loop
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGN, note, "loop")
            signal.signal(signal.SIGN, lambda number, frame: note(signal.Signals(number).name))
            env.at(env.now + 10**9 + 10**8, desk.deliver, signal.SIGN)
            at = loop.time() + 1
            loop.call_at(at, work, "one"); loop.call_at(at, work, "two")
            await asyncio.sleep(3)
        asyncio.run(main())
        said["calls"] = calls
    """.replace("SIGN", sign)
    )

    assert said["calls"] == ["one begins", "one ends", "two begins", "two ends", [sign, False], ["loop", True]]


@pytest.mark.parametrize("sign", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_a_wait_of_the_main_thread_without_a_loop(sign: str) -> None:
    """A handler runs amid time.sleep, which goes on to its end, as it does since Python 3.5; raising ends it."""
    said = fly(
        """
        began = time.monotonic()
        def spent(): return round(time.monotonic() - began)
        seen = []
        signal.signal(signal.SIGN, lambda number, frame: seen.append(spent()))
        env.after(10**9, desk.deliver, signal.SIGN)
        time.sleep(3)
        seen.append(spent())
        def leave(number, frame): raise InterruptedError
        signal.signal(signal.SIGN, leave)
        env.after(10**9, desk.deliver, signal.SIGN)
        try: time.sleep(3)
        except InterruptedError: seen.append(spent())
        said["seen"] = seen
    """.replace("SIGN", sign)
    )

    assert said["seen"] == [1, 3, 4]


def test_a_loop_without_a_task_to_run_is_woken_by_a_signal() -> None:
    """run_forever with nothing scheduled: each of three signals comes as a callback at its instant, and can stop it."""
    said = fly("""
        loop = new_loop()
        calls = []
        def heard(name):
            calls.append([name, env.now // MS])
            if name == "SIGHUP": loop.stop()
        for number, name in enumerate(("SIGTERM", "SIGINT", "SIGHUP"), 1):
            loop.add_signal_handler(getattr(signal, name), heard, name)
            env.at(number * 10**9, desk.deliver, getattr(signal, name))
        loop.run_forever()
        loop.close()
        said["calls"] = calls
    """)

    assert said["calls"] == [["SIGTERM", 1000], ["SIGINT", 2000], ["SIGHUP", 3000]]
