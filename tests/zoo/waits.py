"""Has no loop: its main thread sleeps, and so does a worker."""

import threading
import time


def work(rounds):
    for _ in range(rounds):
        time.sleep(0.4)


worker = threading.Thread(target=work, args=(10,))
worker.start()
for ordinal in range(7):
    time.sleep(1)
    print(ordinal)
worker.join()
