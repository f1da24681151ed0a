"""The composition root: builds everything from the configuration, and starts and stops it."""

import asyncio
import gc
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from server import telemetry
from server.config import Config
from server.domain.details import Details
from server.http.dispatch import Dispatch, Later
from server.http.door import Door
from server.http.health import Health
from server.http.ops import STATIC, make_app
from server.persistence import upkeep
from server.persistence.audit_keys import roots_file
from server.persistence.database import Database
from server.persistence.jobs import Jobs
from server.persistence.migrations import migrate_if_allowed, read_migrations
from server.persistence.sealing import Sealer, sealing_key
from server.protocol.messages import ChatMessage
from server.sessions.access import Access
from server.sessions.activity import Recorder
from server.sessions.chat import Chat
from server.sessions.commands import Commands
from server.sessions.counting import Edits
from server.sessions.document import Document
from server.sessions.events import Events, Everyone
from server.sessions.gate import Gate
from server.sessions.hub import Hub
from server.sessions.participant import Author, Participant
from server.sessions.registry import Registry
from server.sessions.revoked import Revoked
from server.sessions.runs import Runs
from server.sessions.saver import Saver
from server.sessions.tokens import Tokens
from server.webhooks.publisher import Publisher
from server.webhooks.service import WebhookService

log = structlog.get_logger()

YOUNG_OBJECTS = 10_000  # new ones after which the newest are collected; Python's own is 700
DRAIN_TIMEOUT = 30.0  # seconds that a shutdown waits for the database


async def run(
    config: Config,
    database: Database,
    listener: socket.socket,
    stopping: "asyncio.Future[None]",
    started: float,
) -> int:
    """Serve until `stopping` is done or a part ends; returns the exit code.

    database: one that is up. started: when the start began, by the monotonic clock.
    """
    async with AsyncExitStack() as stack:
        audit_key = sealing_key(config)
        connection = await database.connect()  # one of its own, as a lock is held meanwhile
        try:
            migrated = await migrate_if_allowed(
                connection, read_migrations(), observe=database.connect
            )
        finally:
            connection.terminate()
        written = bool(migrated) and config.database_url is None  # it is ours to look after
        await upkeep.prepare(database)
        jobs = Jobs(database, upkeep.jobs(config))
        sealer = Sealer(database, audit_key, roots_file(config), config.audit_seconds)
        webhooks = WebhookService(
            database, config.webhooks_private == "allow", config.webhook_changed_seconds
        )
        stack.push_async_callback(webhooks.close)
        await webhooks.prepare()
        recorder = Recorder(
            database.connect, config.activity_seconds, config.limits.activity_events
        )
        events = Everyone(_ForWebhooks(webhooks.events), recorder)
        saver = Saver(database.connect, config.limits.journal_queue_bytes)
        registry = Registry(
            database,
            saver,
            config.limits,
            config.linger_seconds,
            config.history_seconds,
            creates=config.sessions == "open",
            events=events,
            pace=config.pace,
        )
        revoked = Revoked(database, lambda: hub.enforce())
        access = Access(Tokens.of(config), config.guests, revoked.covers)
        chat = Chat(database, config.limits, events)
        runs = Runs(config.limits.runs_per_second, events)
        commands = Commands(chat, runs)

        async def settle() -> None:
            await registry.drain()
            await chat.drain()

        hub = Hub(
            registry,
            access,
            config.limits,
            Gate(config.origin_policy, config.trusted_proxies, config.limits.sockets_per_address),
            lambda: saver.full,
            commands.received,
            settle,
            config.deflate == "large",
        )

        def api() -> ASGIApp:
            # half a second's worth of imports that nobody has to wait for who edits
            from server.http.api.app import make_api
            from server.http.api.pace import Pace
            from server.http.api.services import Services

            services = Services(
                database,
                registry,
                access,
                chat,
                webhooks.management,
                revoked,
                runs,
                events,
                config.limits,
                Pace(config.limits.requests_per_second, config.trusted_proxies),
            )
            return make_api(services, config.origin_policy)

        health = Health(database, lambda: saver.failing)
        door = Door(config.limits.request_seconds)
        await revoked.poll()
        web = _Uvicorn(
            uvicorn.Config(
                Dispatch(Later(api), make_app(health)),
                http=door.connect,  # type: ignore[arg-type]  # any callable that makes a protocol
                ws=hub.connect,  # type: ignore[arg-type]  # as above
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
        )
        running = [
            asyncio.create_task(saver.run(), name="saver"),
            asyncio.create_task(chat.run(), name="chat"),
            asyncio.create_task(webhooks.run(), name="webhooks"),
            asyncio.create_task(recorder.run(), name="activity"),
            asyncio.create_task(hub.run(), name="hub"),
            asyncio.create_task(door.run(), name="door"),
            asyncio.create_task(registry.watch(), name="watch"),
            asyncio.create_task(upkeep.run(database, jobs, written), name="upkeep"),
            asyncio.create_task(sealer.run(), name="audit"),
            asyncio.create_task(revoked.watch(), name="revocations"),
            asyncio.create_task(health.run(), name="health"),
            asyncio.create_task(web.serve(sockets=[listener]), name="http"),
        ]
        _spare_collections()
        stack.enter_context(telemetry.watching_collections())
        _announce(config, listener, time.monotonic() - started)
        await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
        code = _exit_code(running)
        log.info("draining")
        health.draining = True
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                await hub.drain(config.drain_seconds)
        except TimeoutError:
            log.error("not everything could be saved; clients keep what was not acknowledged")
            code = 1
        await asyncio.gather(webhooks.drain(), recorder.drain(), sealer.drain(), jobs.drain())
        web.should_exit = True
        await asyncio.wait(running[-1:], timeout=DRAIN_TIMEOUT)
        await database.close()  # one that hangs must not hold up those who wait for it
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        log.info("stopped")
        return code


def _spare_collections() -> None:
    """Let collections of garbage, which hold the event loop, look at less and come less often.

    What was made at the start stays for good, with what the first document imports.
    """
    Document()
    gc.freeze()  # without a collection before, which takes 0.1 s and finds next to nothing
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    gc.enable()


class _ForWebhooks(Events):
    """Passes on what webhooks may want to know."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def opened(self, session: Details, participant: Participant) -> None:
        """Pass it on."""
        self._publisher.opened(session.name, participant)

    def changed(self, session: Details, edits: Mapping[Author, Edits]) -> None:
        """Pass it on."""
        self._publisher.changed(session.name, edits)

    def chat(self, session: Details, message: ChatMessage) -> None:
        """Pass it on."""
        self._publisher.chat(session.name, message)

    def closed(self, session: Details) -> None:
        """Pass it on."""
        self._publisher.closed(session.name)


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: stopping is ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _exit_code(running: list["asyncio.Task[None]"]) -> int:
    """1 if a part of the server ended by itself, which none should."""
    ended = [task for task in running if task.done()]
    for task in ended:
        log.error("a part of the server ended", part=task.get_name(), exc_info=task.exception())
    return 1 if ended else 0


def _announce(config: Config, listener: socket.socket, seconds: float) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info(
        "serving",
        url=f"http://{shown}:{port}",
        database="embedded" if config.database_url is None else "external",
        guests=config.guests,
        seconds=round(seconds, 2),
    )
    if config.guests == "off" and config.auth_secret is None and config.jwks_file is None:
        log.warning(
            "nobody can join: set LYCEUM_AUTH_SECRET or LYCEUM_AUTH_JWKS_FILE for tokens,"
            " or LYCEUM_GUESTS=editor"
        )
    if not STATIC.is_dir():
        log.warning("the page was not built: that needs Node 20 or newer and `make web`")
