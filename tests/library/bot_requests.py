"""requests: sessions from the main thread and from worker threads, https, time-outs, a host that is down."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}

with requests.Session() as session:
    for _ in range(2):
        answer = session.post(os.environ["NODE_HTTP"], json=CALL, timeout=5)
        print(answer.status_code, "block", int(answer.json()["result"], 16), "in", answer.elapsed.total_seconds())
    answer = session.post("https://rpc.example.com/v3/key", json=CALL)
    print("over https", answer.status_code, answer.json()["id"])
    try:
        session.get("http://down.example.com")
    except requests.ConnectionError as error:
        print("down", type(error.args[0].reason).__name__)
    began = time.monotonic()
    try:
        session.post(os.environ["NODE_HTTP"], json=CALL, timeout=0.005)
    except requests.ReadTimeout:
        print("timed out after", round(time.monotonic() - began, 3))
    try:
        session.get("http://nowhere.example.com")
    except requests.ConnectionError as error:
        print("no such name", type(error.args[0].reason).__name__)


def ask(number):
    block = int(requests.post(os.environ["NODE_HTTP"], json={**CALL, "id": number}).json()["result"], 16)
    return number, block, threading.current_thread().name


began = time.monotonic()
with ThreadPoolExecutor(3) as pool:
    for number, block, name in pool.map(ask, range(6)):
        print(number, block, name)
print("six by three in", round(time.monotonic() - began, 3))
