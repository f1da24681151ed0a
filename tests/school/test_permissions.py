"""Who may do what, by role, scope, status and grants that run out."""

import pytest

from server.errors import Forbidden
from server.persistence.school.permissions import acting, may, require
from tests.school.campus import Campus


async def test_by_role_and_scope(campus: Campus) -> None:
    """As `permissions` says, asked by the person itself, by staff and by the server."""
    teacher, other = await campus.person("INSTRUCTOR"), await campus.person()
    admin = await campus.person("ADMIN")
    asked = [
        (teacher, "course.write", teacher, True),
        (teacher, "course.write", other, False),
        (teacher, "course.write", None, False),
        (teacher, "post.hide", None, False),
        (other, "course.write", other, False),
        (admin, "course.write", None, True),
        (admin, "nothing.known", None, False),
    ]
    for who, action, owner, answer in asked:
        async with campus.app.as_user(who) as own:
            for connection in (own, campus.staff, campus.server):
                assert await may(connection, who, action, owner) is answer
    with pytest.raises(Forbidden, match=r"takes the permission course\.write"):
        await require(campus.staff, teacher, "course.write", other)
    await require(campus.staff, teacher, "course.write", teacher)


async def test_who_is_suspended_or_was_somebody(campus: Campus) -> None:
    """Suspended people may do nothing; a role ends with its grant, whatever users.role says."""
    gone = await campus.person("ADMIN", "SUSPENDED")
    assert not await may(campus.server, gone, "post.write", gone)
    teacher = await campus.person("INSTRUCTOR")
    await campus.superuser.execute(
        "update role_grants set granted_at = now() - interval '2 days',"
        " expires_at = now() - interval '1 day' where user_id = $1",
        teacher,
    )
    assert not await may(campus.server, teacher, "course.write", teacher)
    assert await may(campus.server, teacher, "post.write", teacher)


async def test_the_audit_knows_who_acts(campus: Campus) -> None:
    """For as long as the transaction lasts."""
    ann = await campus.person("ADMIN")
    who = "select current_setting('app.current_user_id', true)"
    async with acting(campus.staff, ann):
        assert await campus.staff.fetchval(who) == str(ann)
    assert not await campus.staff.fetchval(who)
