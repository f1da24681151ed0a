"""Keys and people that tests make."""

from base64 import b64encode

from server.domain.envelope import Keyring
from server.persistence.people import NewPerson, Person, SecretKind, put_secret, register
from server.persistence.types import Connection

MATERIAL = {id: f"material of the test key {id:>7}".encode() for id in range(1, 5)}

# Whether somebody waits for a lock; pg_stat_activity would stay as it was within a transaction.
WAITS = "select exists (select from pg_locks where not granted)"


def written(*ids: int) -> str:
    """Test keys of these numbers, as LYCEUM_KEYS takes them."""
    return ",".join(f"{id}:{b64encode(MATERIAL[id]).decode()}" for id in ids)


def ring(*ids: int) -> Keyring:
    """A keyring of test keys."""
    return Keyring.parse(written(*ids))


def email_of(name: str) -> str:
    """The address that `add` gives somebody."""
    return f"{name}@School.example"


async def add(connection: Connection, keys: Keyring, name: str, **secrets: str) -> Person:
    """Register somebody by that name, with an e-mail address and secrets."""
    new = NewPerson(f"subject of {name}", name, email_of(name))
    person = await register(connection, keys, new)
    kind: SecretKind
    for kind, value in secrets.items():  # type: ignore[assignment]
        await put_secret(connection, keys, person.id, kind, value)
    return person
