"""prometheus-client: its server in threads of its own, scraped by aiohttp and by urllib, then shut down."""

import asyncio
import threading
import urllib.request

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

registry = CollectorRegistry()
sent = Counter("sent", "transactions sent", ["venue"], registry=registry)
took = Histogram("took_seconds", "how long", registry=registry)


def scrape():
    with urllib.request.urlopen("http://localhost:9100/metrics", timeout=3) as answer:
        return answer.status, answer.read().decode().count("\n")


async def main():
    server, thread = start_http_server(9100, registry=registry)
    for _ in range(3):
        with took.time():
            await asyncio.sleep(2)
        sent.labels("uniswap_v2").inc()
    async with aiohttp.ClientSession() as session, session.get("http://127.0.0.1:9100/metrics") as answer:
        lines = (await answer.text()).splitlines()
        print(answer.status, [line for line in lines if line.startswith(("sent_total", "took_seconds_sum"))])
    print("by urllib", await asyncio.to_thread(scrape))
    await asyncio.to_thread(server.shutdown)
    server.server_close()
    thread.join()
    print(
        "stopped", [each.name for each in threading.enumerate() if "Thread" in each.name and each.name != "MainThread"]
    )


asyncio.run(main())
