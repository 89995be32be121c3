"""Two threads add to one number without a lock: right by luck, wrong where they change hands between read and write."""

import sys
import threading


class Inventory:
    def __init__(self):
        self.held = 0

    def read(self):
        return self.held

    def add(self):
        self.held = self.read() + 1


def work(inventory):
    for _ in range(400):
        inventory.add()


def main():
    inventory = Inventory()
    threads = [threading.Thread(target=work, args=(inventory,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("held", inventory.held)
    if "--check" in sys.argv and inventory.held != 800:
        raise AssertionError("an addition was lost")


main()
