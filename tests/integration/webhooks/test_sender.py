"""One attempt: what is sent, whom it may reach, and what is told of answers."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from aiohttp import web

from server.webhooks.addresses import AddressRefused
from server.webhooks.attempts import Answer
from server.webhooks.guard import Guard, HostUnknown, Lookup, make_lookup
from server.webhooks.sender import Sender
from tests.support.receiver import Receiver

HEADERS = {"webhook-id": "1"}
PUBLIC = "93.184.215.14"
REFUSED = Answer(None, str(AddressRefused()))

MakeSender = Callable[..., Sender]


class Names:
    """A name server that says what it is told, another thing every time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def look_up(self, host: str) -> list[str]:
        """The next answer; the last one for ever."""
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest_asyncio.fixture
async def make_sender() -> AsyncIterator[MakeSender]:
    """Makes senders."""
    made: list[Sender] = []

    def make(private: bool = True, look_up: Lookup | None = None, timeout: float = 10.0) -> Sender:
        made.append(Sender(Guard(private, look_up or make_lookup()), timeout))
        return made[-1]

    yield make
    for sender in made:
        await sender.close()


async def send(sender: Sender, url: str) -> Answer:
    return await sender.send(url, HEADERS, b"{}")


async def test_what_is_sent(make_sender: MakeSender, receiver: Receiver) -> None:
    """A POST of JSON to exactly the path and query of the URL, by a client that says its name."""
    url = receiver.url + "/%C3%A9%2Fx?a=b%20c&d"
    assert await send(make_sender(), url) == Answer(200, "")
    (got,) = receiver.got
    assert url.endswith(got.path)
    assert got.body == b"{}"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"] == "Lyceum-Webhooks"
    assert got.headers["webhook-id"] == "1"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_takes_it(make_sender: MakeSender, receiver: Receiver, status: int) -> None:
    """Whatever else the answer says."""
    receiver.answers.append(status)
    assert await send(make_sender(), receiver.url) == Answer(status, "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(
    make_sender: MakeSender, receiver: Receiver, status: int
) -> None:
    """They could lead anywhere."""
    receiver.answers.append(web.Response(status=status, headers={"location": receiver.url}))
    answer = await send(make_sender(), receiver.url)
    assert answer == Answer(status, f"The receiver answered {status}; redirects are not followed.")
    assert len(receiver.got) == 1


async def test_the_beginning_of_an_error_is_kept(
    make_sender: MakeSender, receiver: Receiver
) -> None:
    """At most 1 KiB of it, without characters that could do harm; packed ones are not unpacked."""
    receiver.answers.append(web.Response(status=500, text="out of\r\n\0\x1bcheese"))
    receiver.answers.append(web.Response(status=503, body=b"x" * 10**7))
    bomb = gzip.compress(b"y" * 10**7)
    receiver.answers.append(
        web.Response(status=400, body=bomb, headers={"content-encoding": "gzip"})
    )
    sender = make_sender()
    first = await send(sender, receiver.url)
    assert first == Answer(500, "The receiver answered 500: out of    cheese")
    long = await send(sender, receiver.url)
    assert long == Answer(503, "The receiver answered 503: " + "x" * 1024)
    packed = await send(sender, receiver.url)
    assert packed.status == 400
    assert "yy" not in packed.error


async def test_a_receiver_that_hangs(make_sender: MakeSender, receiver: Receiver) -> None:
    """It is left after the time-out."""
    receiver.answers.append(None)
    answer = await send(make_sender(timeout=0.2), receiver.url)
    assert answer == Answer(None, "There was no answer within 0.2 s.")


async def test_a_name_server_that_hangs(make_sender: MakeSender) -> None:
    """The time-out covers it too."""

    async def never(host: str) -> list[str]:
        return await asyncio.get_running_loop().create_future()

    answer = await send(make_sender(look_up=never, timeout=0.2), "http://a.example/")
    assert answer == Answer(None, "There was no answer within 0.2 s.")


async def raw(answer: bytes, wait: bool = False) -> asyncio.Server:
    """A server that says these bytes to everybody; then it waits or ends the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if wait:
            await reader.read()
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


def address(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_an_error_whose_text_never_ends(make_sender: MakeSender) -> None:
    """Its status counts; the text is what came until then."""
    server = await raw(b"HTTP/1.1 410 Gone\r\ncontent-length: 100\r\n\r\nno", wait=True)
    async with server:
        answer = await send(make_sender(), address(server))
    assert answer == Answer(410, "The receiver answered 410: no")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-x\r\n", "can't be read"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", "can't be read"),
    ],
)
async def test_what_is_no_answer(make_sender: MakeSender, said: bytes, why: str) -> None:
    """Is explained without the URL."""
    server = await raw(said)
    async with server:
        answer = await send(make_sender(), address(server) + "secret")
    assert answer.status is None
    assert why in answer.error
    assert "secret" not in answer.error


async def test_nobody_listens(make_sender: MakeSender) -> None:
    """The system's word for it is kept."""
    server = await raw(b"")
    url = address(server) + "secret"
    server.close()
    await server.wait_closed()
    answer = await send(make_sender(), url)
    assert answer.status is None
    assert answer.error.startswith("The receiver can't be connected to: ")
    assert "secret" not in answer.error


async def test_tls_is_checked(make_sender: MakeSender, receiver: Receiver) -> None:
    """A receiver that speaks none is not believed."""
    answer = await send(make_sender(), receiver.url.replace("http://", "https://"))
    assert answer == Answer(None, "The receiver does not speak TLS as it should.")
    assert receiver.got == []


async def test_a_name_without_addresses(make_sender: MakeSender) -> None:
    """As the system's own resolver says, for a name that can't exist."""
    sender = make_sender()
    assert await send(sender, "http://lyceum.invalid/") == Answer(None, str(HostUnknown()))
    assert await send(make_sender(look_up=Names([]).look_up), "http://a.example/") == Answer(
        None, str(HostUnknown())
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
    ],
)
async def test_what_is_not_public_is_not_called(
    make_sender: MakeSender, receiver: Receiver, host: str
) -> None:
    """Neither this machine, by any name, nor a cloud's metadata."""
    answer = await asyncio.wait_for(
        send(make_sender(private=False), f"http://{host}:{receiver.port}"), 5
    )
    assert answer == REFUSED
    assert receiver.got == []


async def test_proxies_of_the_environment_are_not_used(
    make_sender: MakeSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would look the name up themselves."""
    monkeypatch.setenv("http_proxy", receiver.url)
    sender = make_sender(look_up=Names(["127.0.0.2"]).look_up)
    answer = await send(sender, "http://a.example:9/")
    assert answer.status is None
    assert receiver.got == []


async def test_one_private_address_is_enough_to_refuse(make_sender: MakeSender) -> None:
    """Else it would be a matter of luck which one is called."""
    names = Names([PUBLIC, "127.0.0.1"])
    assert await send(make_sender(False, names.look_up), "http://a.example/") == REFUSED


async def test_a_name_that_moves_after_the_check(
    make_sender: MakeSender, receiver: Receiver
) -> None:
    """Public when the webhook was made, this machine when it is called: refused then."""
    names = Names([PUBLIC], ["127.0.0.1"])
    guard = Guard(False, names.look_up)
    assert (await guard.check(f"http://a.example:{receiver.port}")).host == "a.example"
    assert (
        await send(make_sender(False, names.look_up), f"http://a.example:{receiver.port}")
        == REFUSED
    )
    assert receiver.got == []


async def test_what_was_checked_is_what_is_called(
    make_sender: MakeSender, receiver: Receiver
) -> None:
    """Within an attempt a name is looked up once, so no second answer can lead elsewhere."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    answer = await send(make_sender(look_up=names.look_up), f"http://a.example:{receiver.port}/")
    assert answer == Answer(200, "")
    assert names.asked == ["a.example"]
    assert receiver.got[0].headers["Host"] == f"a.example:{receiver.port}"


async def test_each_attempt_looks_anew(make_sender: MakeSender, receiver: Receiver) -> None:
    """Neither names nor connections are kept from one to the next."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    sender = make_sender(look_up=names.look_up)
    url = f"http://a.example:{receiver.port}/"
    assert (await send(sender, url)).status == 200
    assert "can't be connected to" in (await send(sender, url)).error
