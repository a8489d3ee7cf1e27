"""An XMPP client that a test drives: JSON lines on stdin and stdout.

First line: {"jid", "password", "host", "port", "ca"}. Then commands:
{"do": "raw", "xml": ...} and {"do": "notify", "nodes": [...]}. The end of
stdin ends the client. It reports {"event": "ready", "jid"}, {"in": stanza},
and {"event": "failed", "why"} before it gives up.
"""
import asyncio
import json
import sys


def say(**what):
    print(json.dumps(what), flush=True)


try:
    from slixmpp import ClientXMPP
    from slixmpp.xmlstream.tostring import tostring
except ImportError as e:
    say(event="missing", why=str(e))
    sys.exit(1)

STANZAS = {"{jabber:client}" + n for n in ("message", "presence", "iq")}


class Client(ClientXMPP):
    def __init__(self, conf):
        super().__init__(conf["jid"], conf["password"])
        self.ca_certs = conf["ca"]
        self.use_ipv6 = False
        for plugin in ("xep_0030", "xep_0115", "xep_0199"):
            self.register_plugin(plugin)
        self.interests = conf["notify"] or ()
        self.done = self.loop.create_future()
        self.add_filter("in", self.report)
        self.add_event_handler("session_start", self.start)
        for event in ("failed_all_auth", "connection_failed", "ssl_invalid_cert", "disconnected"):
            self.add_event_handler(event, lambda why, event=event: self.fail(f"{event}: {why}"))

    def report(self, stanza):
        if stanza.xml.tag in STANZAS:
            say(**{"in": tostring(stanza.xml, xmlns="jabber:client", stream=self, top_level=True)})
        return stanza

    def fail(self, why):
        if not self.done.done():
            say(event="failed", why=why)
            self.done.set_result(1)

    async def start(self, _):
        # Only now: slixmpp files features under the JID that the server bound.
        self["xep_0030"].add_identity("client", "console", "test")
        self.be_notified(self.interests)
        await self["xep_0115"].update_caps(broadcast=False)
        await self.get_roster()
        self.send_presence()
        say(event="ready", jid=self.boundjid.full)
        asyncio.ensure_future(self.obey())

    def be_notified(self, nodes):
        for node in nodes:
            self["xep_0030"].add_feature(node + "+notify")

    async def obey(self):
        while line := await commands.readline():
            command = json.loads(line)
            if command["do"] == "raw":
                self.send_raw(command["xml"])
            elif command["do"] == "notify":
                self.be_notified(command["nodes"])
                await self["xep_0115"].update_caps(broadcast=False)
                self.send_presence()
                for _ in range(2):  # the server has asked what this is before its first answer
                    await self["xep_0199"].ping(self.boundjid.domain)
        if not self.done.done():
            self.done.set_result(0)
        await self.disconnect()


async def main():
    global commands
    commands = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    conf = json.loads(await commands.readline())
    client = Client(conf)
    client.connect((conf["host"], conf["port"]), force_starttls=True)
    return await client.done


sys.exit(asyncio.run(main()))
