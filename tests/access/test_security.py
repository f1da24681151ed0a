"""`lyceum db security` finds what was broken on purpose, names it, and its remedies work."""

import json
from pathlib import Path

import pytest

from schema import RIGHTS
from server.persistence import denials, rights
from server.persistence.security import Report, inspect
from server.persistence.types import Connection
from tests.access.people import PERSONAL, add_row, person
from tests.access.snapshot import written
from tests.support.command import Command
from tests.support.logins import connected, login


async def test_the_rights_are_those_written_down(db: Connection) -> None:
    """schema/rights.sql is what migrations make; `python -m tests.access.snapshot` writes it."""
    assert written(await rights.found(db)) == RIGHTS.read_text()


async def populate(db: Connection) -> None:
    """A row of one person in every table of people's rows."""
    ann = await person(db, "ann")
    for (table,) in await db.fetch(PERSONAL):
        await add_row(db, table, ann) if table != "users" else None


def named(report: Report) -> list[str]:
    return [f"{finding.about}: {finding.what}" for finding in report.findings]


async def test_nothing_is_found_where_nothing_is_wrong(db: Connection) -> None:
    """Every table of people's rows was tried, and it is told who may read a secret."""
    await populate(db)
    await db.execute("create role lyceum_live login in role lyceum_server")
    await db.execute("create role dumper login in role lyceum_backup")
    report = await inspect(db)
    assert named(report) == []
    assert report.untried == []
    assert report.tried > 75
    readers = set(report.readers)
    assert ("webhooks.secret", "lyceum_live", "lyceum_server") in readers
    assert ("users.email", "dumper", "lyceum_backup") in readers
    assert ("user_secrets.value", "lyceum", "superuser") in readers
    of_the_server = {reader.secret for reader in readers if reader.login == "lyceum_live"}
    assert of_the_server == {"auth_sessions.token_hash", "webhooks.secret", "user_keys.wrapped"}


HOLES = [
    (
        "alter table user_secrets disable row level security",
        "rights: missing: alter table user_secrets enable row level security",
        "trial: as somebody else one may see rows of others in user_secrets",
    ),
    (
        "alter table badges enable row level security",
        "rights: not foreseen: alter table badges enable row level security",
        None,
    ),
    (
        "drop policy user_secrets_select_policy on user_secrets",
        "rights: missing: create policy user_secrets_select_policy on user_secrets for select",
        None,
    ),
    (
        "create policy open on xp_events for select using (true)",
        "rights: not foreseen: create policy open on xp_events for select to public using (true)",
        "trial: as nobody one may see rows of others in xp_events",
    ),
    (
        "alter policy votes_delete_policy on votes using (true)",
        "rights: changed: create policy votes_delete_policy on votes for delete",
        "trial: as somebody else one may delete rows of others in votes",
    ),
    (
        "alter policy tutor_threads_insert_policy on tutor_threads with check (true)",
        "rights: changed: create policy tutor_threads_insert_policy on tutor_threads for insert",
        "trial: as nobody one may make rows for others in tutor_threads",
    ),
    (
        "alter policy tutor_threads_update_policy on tutor_threads using (true) with check (true);"
        " alter policy tutor_threads_select_policy on tutor_threads using (true)",
        "rights: changed: create policy tutor_threads_update_policy on tutor_threads for update",
        "trial: as somebody else one may change rows of others in tutor_threads",
    ),
    (
        "grant delete on users to lyceum_app",
        "rights: not foreseen: grant delete on users to lyceum_app",
        None,
    ),
    (
        "grant select (username) on users to lyceum_analyst",
        "rights: changed: grant select (created_at, id, role, status, username)",
        None,
    ),
    (
        "grant select on permissions to public",
        "rights: not foreseen: grant select on permissions to public",
        None,
    ),
    (
        "grant select on user_progress_0 to lyceum_app",
        "rights: not foreseen: grant select on user_progress_0 to lyceum_app",
        None,
    ),
    (
        "grant execute on function make_partition to public",
        "rights: not foreseen: grant execute on function make_partition(regclass,date) to public",
        None,
    ),
    (
        "grant create on schema public to public",
        "rights: not foreseen: grant create on schema public to public",
        None,
    ),
    (
        "revoke select on chat_messages from lyceum_server",
        "rights: missing: grant select on chat_messages to lyceum_server",
        None,
    ),
    (
        "alter function make_partition reset search_path",
        "functions: make_partition(regclass,date) runs as its owner and finds tables by",
        None,
    ),
    (
        "create role root login superuser",
        "logins: root can log in and is a superuser",
        None,
    ),
    (
        "create role seer nologin bypassrls",
        "roles: seer passes row-level security",
        None,
    ),
    (
        "alter role lyceum_staff login createrole",
        "roles: lyceum_staff should be a group without a login",
        None,
    ),
]


async def test_what_is_broken_is_found_and_mended(db: Connection) -> None:
    """Each hole is named by what it is, by trying it where it can be tried, and remedies close
    them all."""
    await populate(db)
    for broken, _, _ in HOLES:
        await db.execute(broken)
    report = await inspect(db)
    for _, found, trial in HOLES:
        assert [name for name in named(report) if name.startswith(found)], named(report)
        assert trial is None or trial in named(report), named(report)
    for finding in report.findings:
        if finding.about in ("rights", "functions", "logins", "roles"):
            await db.execute(finding.remedy.partition("; for dumps")[0])
    assert named(await inspect(db)) == []


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (
            "create table notes (user_id bigint, note text)",
            "row-level security: notes has a column of people and no row-level security",
        ),
        (
            "create table notes (writer bigint references users (id))",
            "row-level security: notes has a column of people and no row-level security",
        ),
        (
            "create role web login; grant lyceum_app, lyceum_staff to web",
            "logins: web acts for people and could turn into lyceum_staff",
        ),
        (
            "create role curious login; grant select on webhooks to curious",
            "secrets: curious may read webhooks.secret by a grant",
        ),
        (
            "create role monitor login in role pg_read_all_data",
            "secrets: monitor may read users.email by pg_read_all_data",
        ),
    ],
)
async def test_what_takes_thought_is_found(db: Connection, broken: str, found: str) -> None:
    """What no single statement mends is named too."""
    await db.execute(broken)
    assert found in named(await inspect(db))


async def test_a_trial_that_takes_too_long(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that finds so many rows that it has to be stopped has found some."""
    await populate(db)
    await db.execute("create policy open on votes for delete using (pg_sleep(2) is not null)")
    monkeypatch.setattr(denials, "BRIEFLY", "set local statement_timeout = '200ms'")
    trials = await denials.run(db)
    assert ("as nobody one may delete rows of others in votes", denials.MEND) in trials.failures


async def test_a_right_that_is_missing_stops_no_trial(db: Connection) -> None:
    """What lyceum_app may not do at all, it may not do to others' rows either."""
    await populate(db)
    await db.execute("revoke select on user_profiles from lyceum_app")
    await db.execute("grant select (bio) on user_profiles to lyceum_app")
    assert not (await denials.run(db)).failures


async def test_who_may_not_try(owned: str) -> None:
    """A login that can't act for people is told so, and nothing counts as tried."""
    for role in ("lyceum_server", "lyceum_staff"):
        async with connected(await login(owned, role)) as connection:
            trials = await denials.run(connection)
            assert trials.tried == 0
            assert "can't act as lyceum_app" in trials.failures[0].what


async def test_the_command(owned: str, superuser: Connection, tmp_path: Path) -> None:
    """Exit code 0 where all is well; what is found goes out as text or JSON, with exit code 1."""
    command = Command(tmp_path, database_url=await login(owned, "lyceum_owner"))
    done = await command("db", "security")
    assert (done.code, done.output.endswith(" trials, 0 findings\n")) == (0, True), done
    await superuser.execute("grant select on votes to public")
    try:
        done = await command("db", "security")
        assert done.code == 1
        assert "rights: not foreseen: grant select on votes to public\n" in done.output
        assert "    revoke select on votes from public\n" in done.output
        done = await command("db", "security", "--json")
        assert done.code == 1
        assert [found["about"] for found in json.loads(done.output)["findings"]] == ["rights"]
    finally:
        await superuser.execute("revoke select on votes from public")
