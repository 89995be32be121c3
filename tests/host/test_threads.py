"""Baton threads: real threads of which one runs, in an order that follows from virtual time."""

from __future__ import annotations

from tests.host.flown import fly


def test_a_sleeping_thread_lets_virtual_time_pass_and_no_other() -> None:
    """Two threads that sleep 2 s and 1 s end in the order of their sleeps, 2 s of virtual time later."""
    said = fly("""
        order = []
        def nap(seconds):
            time.sleep(seconds)
            order.append(seconds)
        threads_ = [threading.Thread(target=nap, args=(s,)) for s in (2, 1)]
        for t in threads_: t.start()
        for t in threads_: t.join()
        said.update(order=order, now=env.now, alive=[t.is_alive() for t in threads_], count=threading.active_count())
    """)

    assert said["order"] == [1, 2]
    assert 2_000_000_000 < said["now"] < 2_010_000_000
    assert said["alive"] == [False, False]
    assert said["count"] == 1


def test_locks_go_to_who_has_waited_longest() -> None:
    """A thread that releases and takes a lock in a loop does not starve those who wait, who are served in order."""
    said = fly("""
        lock, got = threading.Lock(), []
        def hog():
            for _ in range(20):
                with lock:
                    time.sleep(0.01)
        def want(n):
            time.sleep(0.001 * n)
            with lock:
                got.append((n, env.now // 10**6))
        made = [threading.Thread(target=hog)] + [threading.Thread(target=want, args=(n,)) for n in (3, 1, 2)]
        for t in made: t.start()
        for t in made: t.join()
        said.update(got=got)
    """)

    assert [n for n, _ in said["got"]] == [1, 2, 3]
    assert said["got"][-1][1] < 50


def test_timeouts_are_virtual() -> None:
    """Lock, event, condition, queue and join give up after their time-out in virtual time."""
    said = fly("""
        import queue
        lock = threading.Lock(); lock.acquire()
        def took(f):
            t = time.monotonic(); r = f(); return [bool(r), round(time.monotonic() - t, 2)]
        def empty():
            try: queue.Queue().get(timeout=3)
            except queue.Empty: return False
        condition = threading.Condition()
        def wait():
            with condition: return condition.wait(2)
        sleeper = threading.Thread(target=time.sleep, args=(100,)); sleeper.start()
        said["lock"] = took(lambda: lock.acquire(timeout=1.5))
        said["event"] = took(lambda: threading.Event().wait(0.25))
        said["condition"] = took(wait)
        said["queue"] = took(empty)
        said["join"] = took(lambda: sleeper.join(4))
        said["alive"] = sleeper.is_alive()
        said["try"] = lock.acquire(blocking=False)
    """)

    assert said == {
        "lock": [False, 1.5],
        "event": [False, 0.25],
        "condition": [False, 2.0],
        "queue": [False, 3.0],
        "join": [False, 4.0],
        "alive": True,
        "try": False,
    }


def test_events_conditions_queues_timers_and_semaphores_work() -> None:
    """What the standard library builds on locks works unchanged."""
    said = fly("""
        import queue
        q, out = queue.Queue(maxsize=2), []
        def produce():
            for n in range(6): q.put(n)
            q.put(None)
        def consume():
            while (item := q.get()) is not None:
                time.sleep(0.01); out.append(item)
        made = [threading.Thread(target=produce), threading.Thread(target=consume)]
        for t in made: t.start()
        for t in made: t.join()
        fired = threading.Event()
        threading.Timer(5, fired.set).start()
        t = time.monotonic(); fired.wait(); said["timer"] = round(time.monotonic() - t, 2)
        barrier, met = threading.Barrier(3), []
        def meet(n):
            time.sleep(n); barrier.wait(); met.append(round(time.monotonic() - t))
        made = [threading.Thread(target=meet, args=(n,)) for n in range(3)]
        for m in made: m.start()
        for m in made: m.join()
        semaphore = threading.BoundedSemaphore(2)
        said.update(out=out, met=met, free=[semaphore.acquire(timeout=0.1) for _ in range(3)])
    """)

    assert said == {"timer": 5.0, "out": [0, 1, 2, 3, 4, 5], "met": [7, 7, 7], "free": [True, True, False]}


def test_executors_serve_a_loop() -> None:
    """run_in_executor, to_thread and a pool of two workers give results; jobs beyond the workers queue."""
    said = fly("""
        from concurrent.futures import ThreadPoolExecutor
        def job(n):
            time.sleep(1); return n, threading.current_thread().name
        async def main():
            loop = asyncio.get_running_loop()
            t = loop.time()
            with ThreadPoolExecutor(2, thread_name_prefix="w") as pool:
                said["pool"] = await asyncio.gather(*[loop.run_in_executor(pool, job, n) for n in range(4)])
            said["pool_took"] = round(loop.time() - t, 1)
            t = loop.time()
            said["to_thread"] = (await asyncio.gather(*[asyncio.to_thread(job, n) for n in range(3)]))[2][0]
            said["to_thread_took"] = round(loop.time() - t, 1)
        asyncio.run(main())
        said["left"] = threading.active_count()
    """)

    assert said["pool"] == [[0, "w_0"], [1, "w_1"], [2, "w_0"], [3, "w_1"]]
    assert said["pool_took"] == 2.0
    assert said["to_thread"] == 2
    assert said["to_thread_took"] == 1.0
    assert said["left"] == 1


def test_a_lock_taken_in_an_executor_neither_deadlocks_nor_races() -> None:
    """web3.py's pattern, fifty requests that take one threading.Lock in a pool, never has two inside and ends."""
    said = fly("""
        import contextlib
        from concurrent.futures import ThreadPoolExecutor
        lock, pool = threading.Lock(), ThreadPoolExecutor()
        inside, most = 0, 0
        @contextlib.asynccontextmanager
        async def async_lock():
            await asyncio.get_running_loop().run_in_executor(pool, lock.acquire)
            try: yield
            finally: lock.release()
        async def request(n):
            global inside, most
            async with async_lock():
                inside += 1; most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1
            return n
        async def main():
            return await asyncio.wait_for(asyncio.gather(*[request(n) for n in range(50)]), 10)
        said.update(done=len(asyncio.run(main())), most=most)
    """)

    assert said == {"done": 50, "most": 1}


def test_a_loop_runs_on_a_thread() -> None:
    """asyncio.run in a thread works beside the main thread's loop, and coroutines are handed across."""
    said = fly("""
        ready, box = threading.Event(), {}
        async def serve():
            box["loop"] = asyncio.get_running_loop(); box["stop"] = asyncio.Event()
            ready.set()
            await box["stop"].wait()
            await asyncio.sleep(0.5)
            return threading.current_thread().name
        def run(): box["result"] = asyncio.run(serve())
        async def double(x):
            await asyncio.sleep(1); return 2 * x, threading.current_thread().name
        thread = threading.Thread(target=run, name="second"); thread.start(); ready.wait()
        said["sync"] = asyncio.run_coroutine_threadsafe(double(4), box["loop"]).result(timeout=5)
        async def main():
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(double(5), box["loop"]))
        said["async"] = asyncio.run(main())
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join()
        said.update(result=box["result"], now=env.now // 10**8)
    """)

    assert said == {"sync": [8, "second"], "async": [10, "second"], "result": "second", "now": 25}


def test_a_thread_that_raises_ends_alone() -> None:
    """An exception ends its thread through threading.excepthook; a daemon thread ends with the process."""
    said = fly("""
        seen = []
        threading.excepthook = lambda args: seen.append(args.exc_type.__name__)
        def bad(): raise ValueError
        thread = threading.Thread(target=bad); thread.start(); thread.join()
        threading.Thread(target=time.sleep, args=(10**6,), daemon=True).start()
        said.update(seen=seen)
    """)

    assert said == {"seen": ["ValueError"]}


def test_threads_take_turns_alike_in_every_process() -> None:
    """The order in which eight threads work is the same under another hash seed."""
    script = """
        order = []
        def work(n):
            for i in range(5):
                time.sleep(0.001 * ((n * 7 + i) % 5)); order.append((n, env.now))
        made = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in made: t.start()
        for t in made: t.join()
        said.update(order=order)
    """

    assert fly(script) == fly(script, hash_seed=77)


def test_an_interrupt_in_a_wait_does_not_lose_the_lock() -> None:
    """KeyboardInterrupt in the main thread's wait for a lock leaves the lock to the next in line."""
    said = fly("""
        lock = threading.Lock(); lock.acquire()
        env.after(10**9, desk.deliver, signal.SIGINT)
        try: lock.acquire(); said["first"] = "got"
        except KeyboardInterrupt: said["first"] = "interrupted"
        def want():
            with lock: said["second"] = "got"
        thread = threading.Thread(target=want); thread.start(); time.sleep(1)
        lock.release(); thread.join(5)
        said["free"] = lock.acquire(blocking=False)
    """)

    assert said == {"first": "interrupted", "second": "got", "free": True}


def test_a_flight_with_threads_keeps_to_one_processor_and_says_nothing_of_it() -> None:
    """From the first thread on the process stays on one processor; the bot is told of four, wherever it flies."""
    said = fly("""
        before = real_affinity(0)
        thread = threading.Thread(target=time.sleep, args=(1,)); thread.start(); thread.join()
        taken = real_affinity(0)
        entry = os.open(f"/sys/devices/system/cpu/cpu{min(taken)}", os.O_RDONLY)
        import fcntl
        try: fcntl.flock(entry, fcntl.LOCK_EX | fcntl.LOCK_NB); claimed = False
        except BlockingIOError: claimed = True
        said.update(before=len(before), taken=len(taken), claimed=claimed)
        said["told"] = [os.cpu_count(), len(os.sched_getaffinity(0))]
    """)

    assert said["told"] == [4, 4]
    assert said["taken"] == 1 or said["taken"] == said["before"]  # where other flights have all of them
    assert said["claimed"]
