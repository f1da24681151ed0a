"""The schema changes under a server of the previous version, while people type."""

from collections.abc import Callable
from functools import partial

from server.persistence.database import connect
from server.persistence.migrations import Migration, migrate, read_migrations, rollback
from tests.chaos.typists import KINDS, Typists
from tests.clients.driver import Driver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

KNOWN = read_migrations()
COUNT = len(KNOWN)
SERVES = f"-- serves programs from {COUNT:04} on\n"

# Of a program that is newer than the server: what one may do to its tables, and then may not.
EXPAND = Migration(
    COUNT + 1,
    "titles",
    SERVES
    + """
    alter table documents add column title text default '';
    alter table documents add constraint documents_title_check check (title <> 'x') not valid;
    create table document_titles (
        document_id bigint references documents (id) on delete cascade,
        title text
    );
    alter table document_updates add column titled boolean not null default false;
    """,
    """
    drop table document_titles;
    alter table documents drop column title;
    alter table document_updates drop column titled;
    """,
)
ONLINE = Migration(
    COUNT + 2,
    "titles_online",
    f"-- no transaction\n{SERVES}"
    """
    alter table documents validate constraint documents_title_check;
    create index concurrently if not exists documents_title_idx on documents (title);
    """,
    "-- no transaction\ndrop index concurrently if exists documents_title_idx;",
)
CONTRACT = Migration(
    COUNT + 3,
    "no_chat",
    "alter table chat_keys rename to chat_names",
    "alter table chat_names rename to chat_keys",
)
NEWER = [*KNOWN, EXPAND, ONLINE, CONTRACT]


async def test_under_typing(
    make_server: Callable[..., LyceumServer], driver: Driver, database_url: str
) -> None:
    """A newer program expands the schema, and takes that back: the server goes on saving, and can
    be started anew in between. Once the schema is contracted it starts no more, with the reason."""
    server = make_server(database_url=database_url, guests="editor")
    await server.start()
    connection, observe = await connect(database_url), partial(connect, database_url)
    typists = await Typists.start(driver, server.ws, [(kind, "lesson") for kind in KINDS])
    await typists.until_acknowledged(20)
    done = await migrate(connection, NEWER, COUNT + 2, observe)
    assert done.done == [EXPAND, ONLINE]
    await typists.more_acknowledged()
    await rollback(connection, NEWER, COUNT, observe)
    await typists.more_acknowledged()
    await migrate(connection, NEWER, COUNT + 2, observe)
    await typists.more_acknowledged()
    assert [(await client.info())["sockets_opened"] for client in typists.clients] == [1] * 4

    assert await server.stop() == 0
    await server.start()
    (told,) = server.logs("a newer program has migrated the database, which serves this one too")
    assert (told["version"], told["known"]) == (COUNT + 2, COUNT)
    await typists.more_acknowledged()
    await typists.check(database_url)

    await migrate(connection, NEWER, observe=observe)
    await server.stop()
    await server.launch()
    await eventually(lambda: server.returncode == 1, 30)
    assert f"the database is at version {COUNT + 3}, this program" in server.log_path.read_text()
    await connection.close()
