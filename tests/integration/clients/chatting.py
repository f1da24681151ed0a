"""People who chat over real clients: they catch up after every break, and send again what may be
lost, as a page would."""

import asyncio
import json
from typing import Any

from tests.clients.client import Client
from tests.support.waiting import eventually


class Chatter:
    """One client's view of the chat, and what it has not been told to be saved."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.messages: dict[int, dict[str, Any]] = {}  # by seq, the newest revision of each
        self.broadcasts: list[tuple[int, int]] = []  # (seq, revision) of every chat.message
        self.unsaved: dict[str, dict[str, Any]] = {}  # by client_message_id
        self.refused: list[dict[str, Any]] = []
        self.answers = 0
        self.hurried = 0  # times that it asked again before it had an answer
        self.known = 0  # revision up to which it has caught up
        self._more = False
        self._read = 0
        self._sent_on: dict[str, int] = {}  # how many sockets there had been when it was sent

    async def look(self) -> None:
        """Take in what the client heard since the last look."""
        events = await self.client.events(after=self._read)
        self._read += len(events)
        for event in events:
            if event["event"] == "stateless":
                self._take(json.loads(event["payload"]))

    def _take(self, notice: dict[str, Any]) -> None:
        match notice["type"]:
            case "chat.message":
                message = notice["message"]
                self.broadcasts.append((message["seq"], message["revision"]))
                self._keep(message)
            case "chat.messages":
                for message in notice["messages"]:
                    self._keep(message)
                self.known = max(self.known, notice["revision"])
                self._more = notice["more"]
                self.answers += 1
            case "chat.saved":
                self.unsaved.pop(notice["client_message_id"], None)
            case "refused" if notice["request"] == "chat.read":
                self.hurried += 1
            case "refused":
                self.refused.append(notice)
                self.unsaved.pop(notice["client_message_id"], None)

    def _keep(self, message: dict[str, Any]) -> None:
        held = self.messages.get(message["seq"])
        if held is None or held["revision"] < message["revision"]:
            self.messages[message["seq"]] = message

    async def say(self, message_id: str, body: str, **others: Any) -> None:
        """Send a message under an id of its own, and remember it until it is saved."""
        command = {"type": "chat.send", "client_message_id": message_id, "body": body, **others}
        self.unsaved[message_id] = command
        self._sent_on[message_id] = await self._sockets()
        await self.client.send_stateless(json.dumps(command))

    async def command(self, **command: Any) -> None:
        """Send any other command."""
        await self.client.send_stateless(json.dumps(command))

    async def _sockets(self) -> int:
        return int((await self.client.info())["sockets_opened"])

    async def settle(self) -> None:
        """Return once all was saved and nothing is missing; repeats what a break may have lost."""

        async def settled() -> bool:
            await self.look()
            sockets = await self._sockets()
            for message_id, command in list(self.unsaved.items()):
                if self._sent_on[message_id] != sockets:
                    self._sent_on[message_id] = sockets
                    await self.client.send_stateless(json.dumps(command))
            return not self.unsaved

        await eventually(settled, 30, f"saved messages of {self.client}")
        await self.catch_up()

    async def catch_up(self) -> None:
        """Read all that changed since the last time; asks again on a new socket."""
        self._more = True
        while self._more:
            await self.client.wait_synced(20)
            before = self.answers, self.hurried, await self._sockets()
            await self.command(type="chat.read", since=self.known, limit=7)

            async def answered(before: tuple[int, int, int] = before) -> bool:
                await self.look()
                return (self.answers, self.hurried, await self._sockets()) != before

            await eventually(answered, 15, "an answer to chat.read")

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The list that this client shows."""
        return [self.messages[seq] for seq in sorted(self.messages)]


async def all_equal(*chatters: Chatter) -> list[dict[str, Any]]:
    """The list that everybody shows, once it is the same."""

    async def equal() -> bool:
        await asyncio.gather(*(chatter.look() for chatter in chatters))
        return all(chatter.shown == chatters[0].shown for chatter in chatters)

    await eventually(equal, 15, "equal lists")
    return chatters[0].shown
