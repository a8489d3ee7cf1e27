"""A player of `make bench`: publishes ready elements through slixmpp.

stdin: the job as a line of JSON, then a line for each round. stdout: a line
of JSON when it is ready and for each round. See player.go.
"""
import asyncio
import gc
import json
import resource
import sys
import time
import xml.etree.ElementTree as ET

from slixmpp import ClientXMPP

IN_FLIGHT = 16


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def say(**what):
    print(json.dumps(what), flush=True)


class Player(ClientXMPP):
    def __init__(self, job):
        super().__init__(job["JID"], job["Password"])
        self.job = job
        self.ca_certs = job["CAFile"]
        self.use_ipv6 = False
        with open(job["Payloads"]) as f:
            self.payloads = json.load(f)
        self.done = self.loop.create_future()
        self.add_event_handler("session_start", self.start)
        for event in ("failed_all_auth", "connection_failed", "ssl_invalid_cert", "disconnected"):
            self.add_event_handler(event, lambda why, event=event: self.end(f"slixmpp: {event}: {why}"))

    def end(self, why):
        if not self.done.done():
            self.done.set_result(why)

    async def start(self, _):
        self.send_presence()
        say()
        asyncio.ensure_future(self.rounds())

    async def rounds(self):
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            say(**await self.play())
        self.end(0)

    async def play(self):
        batch = []
        for text in self.payloads:
            iq = self.make_iq_set(ito=self.job["Service"] or None)
            iq.append(ET.fromstring(text))
            batch.append(iq)
        batch.reverse()
        first = None
        gc.collect()

        async def work():
            nonlocal first
            while batch:
                await batch.pop().send(timeout=60)
                first = first or time.monotonic()

        before = cpu()
        why = ""
        try:
            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        except Exception as e:
            why = repr(e)
        used = cpu() - before
        return {"Items": len(self.payloads), "Span": time.monotonic() - (first or 0), "CPU": used, "Allocs": 0, "Err": why}


async def main():
    job = json.loads(sys.stdin.readline())
    host, port = job["Addr"].rsplit(":", 1)
    player = Player(job)
    player.connect((host, int(port)), force_starttls=True)
    return await player.done


sys.exit(asyncio.run(main()))
