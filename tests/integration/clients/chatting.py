"""People who chat over real clients: they catch up after every break, and send again what may be
lost, as a page would."""

import asyncio
import json
import time
from typing import Any

from tests.clients.client import Client
from tests.support.waiting import eventually


class Chatter:
    """One client's view of the chat, and what it has not been told to be saved.

    patient: it sends again what came too fast, after as long as it was told.
    """

    def __init__(self, client: Client, patient: bool = False) -> None:
        self.client = client
        self._patient = patient
        self._due: dict[str, float] = {}  # when to send again
        self.messages: dict[int, dict[str, Any]] = {}  # by seq, the newest revision of each
        self.broadcasts: list[tuple[int, int]] = []  # (seq, revision) of every chat.message
        self.unsaved: dict[str, dict[str, Any]] = {}  # by client_message_id
        self.refused: list[dict[str, Any]] = []
        self.answers = 0
        self.hurried = 0  # times that it asked again before it had an answer
        self.known = 0  # revision up to which it has caught up
        self._more = False
        self._read = 0
        self._entered = 0  # times that it was let in, and how many of them it has acted on
        self._repeated = 1  # it had joined

    async def look(self) -> None:
        """Take in what the client heard since the last look."""
        events = await self.client.events(after=self._read)
        self._read += len(events)
        for event in events:
            if event["event"] == "authenticated":
                self._entered += 1
            elif event["event"] == "stateless":
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
            case "refused" if self._patient and notice["code"] == "too_fast":
                self._due[notice["client_message_id"]] = time.monotonic() + notice["retry_after"]
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
        await self.client.send_stateless(json.dumps(command))

    async def command(self, **command: Any) -> None:
        """Send any other command."""
        await self.client.send_stateless(json.dumps(command))

    async def settle(self) -> None:
        """Return once all was saved and nothing is missing; repeats what a break may have lost."""

        async def settled() -> bool:
            await self.look()
            if self._entered > self._repeated:
                self._repeated = self._entered
                self._due = dict.fromkeys(self.unsaved, 0.0)
            for message_id, due in list(self._due.items()):
                if time.monotonic() >= due:
                    del self._due[message_id]
                    if message_id in self.unsaved:
                        await self.client.send_stateless(json.dumps(self.unsaved[message_id]))
            return not self.unsaved

        await eventually(settled, 30, f"saved messages of {self.client}")
        await self.catch_up()

    async def catch_up(self) -> None:
        """Read all that changed since the last time; asks again whenever it was let in again."""
        self._more = True
        while self._more:
            await self.look()
            before = self.answers, self.hurried, self._entered
            await self.command(type="chat.read", since=self.known, limit=7)

            async def answered(before: tuple[int, int, int] = before) -> bool:
                await self.look()
                return (self.answers, self.hurried, self._entered) != before

            await eventually(answered, 30, "an answer to chat.read")

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
