"""A released lock is free until somebody runs: threads race for it as in CPython, and nobody waits for ever."""

from __future__ import annotations

from tests.host.flown import fly


def test_a_released_lock_is_free_until_its_next_owner_runs() -> None:
    """Who releases a lock that another waits for sees it unlocked, and can take it again before the other wakes."""
    said = fly("""
        lock, order = threading.Lock(), []
        def wait():
            with lock:
                order.append("waiter")
        lock.acquire()
        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(0.001)
        lock.release()
        said["locked"] = lock.locked()
        lock.acquire()
        order.append("overtaker")
        time.sleep(0.001)
        lock.release()
        said["handed_over"] = lock.locked()
        waiter.join()
        said["order"] = order
    """)

    assert said == {"locked": False, "handed_over": True, "order": ["overtaker", "waiter"]}


def test_an_overtaken_waiter_keeps_its_time_out() -> None:
    """A waiter that is overtaken gives up at the instant it asked for, and the lock goes on to the next."""
    said = fly("""
        lock, got = threading.Lock(), []
        def hurried():
            began = time.monotonic()
            got.append(["hurried", lock.acquire(timeout=1), round(time.monotonic() - began, 3)])
        def patient():
            time.sleep(0.001)
            with lock:
                got.append("patient")
        lock.acquire()
        made = [threading.Thread(target=each) for each in (hurried, patient)]
        for t in made: t.start()
        time.sleep(0.5)
        lock.release()
        lock.acquire()
        time.sleep(2)
        lock.release()
        for t in made: t.join()
        said["got"] = got
    """)

    assert said["got"] == [["hurried", False, 1.0], "patient"]
