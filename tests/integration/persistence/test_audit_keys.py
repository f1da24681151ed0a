"""The files of the audit's keys: only what is safe and clear is taken."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from server.config import Config
from server.domain.audit import make_seal
from server.errors import AuditError
from server.persistence.audit_keys import make_key, own_keys, read_keys, roots_file
from tests.support.audit import KEY, OTHER_KEY

PEM, PKCS8 = Encoding.PEM, PrivateFormat.PKCS8
PRIVATE = KEY.private_bytes(PEM, PKCS8, NoEncryption())
OTHER_PRIVATE = OTHER_KEY.private_bytes(PEM, PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo)
OTHER_PUBLIC = OTHER_KEY.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo)
ENCRYPTED = KEY.private_bytes(PEM, PKCS8, BestAvailableEncryption(b"sesame"))
FOREIGN = X25519PrivateKey.generate().private_bytes(PEM, PKCS8, NoEncryption())
BROKEN = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def written(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    """A key file."""
    path = folder / "audit.pem"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def signs(key: Ed25519PrivateKey | None) -> bool:
    """Whether it is the key that the tests sign with."""
    return key is not None and key.private_bytes_raw() == KEY.private_bytes_raw()


def test_a_key_and_those_before_it(tmp_path: Path) -> None:
    """The private one signs; seals of the public ones still count."""
    keys = read_keys(written(tmp_path, b"text\n" + OTHER_PUBLIC + PRIVATE))
    assert signs(keys.signing)
    for key in (KEY, OTHER_KEY):
        assert keys.verifying.objection(make_seal([(1, bytes(32))], 1, None, 0, key)) is None


def test_public_keys_may_be_read_by_all(tmp_path: Path) -> None:
    """They verify and don't sign."""
    keys = read_keys(written(tmp_path, PUBLIC, 0o644))
    assert keys.signing is None
    assert keys.verifying.objection(make_seal([(1, bytes(32))], 1, None, 0, KEY)) is None


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (PRIVATE, 0o640, ["mode 0640", "chmod 600"]),
        (PRIVATE, 0o604, ["mode 0604"]),
        (b"", 0o600, ["no key in PEM", "openssl genpkey"]),
        (BROKEN, 0o600, ["no key"]),
        (ENCRYPTED, 0o600, ["encrypted"]),
        (FOREIGN, 0o600, ["not Ed25519"]),
        (PRIVATE + OTHER_PRIVATE, 0o600, ["2 private keys"]),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, mode: int, words: list[str]) -> None:
    """With the file, the reason and the remedy, and nothing of the key."""
    path = written(tmp_path, content, mode)
    with pytest.raises(AuditError) as caught:
        read_keys(path)
    assert str(path) in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_no_file(tmp_path: Path) -> None:
    """It is said which one is missing, or can't be made."""
    with pytest.raises(AuditError, match="can't be read: No such file"):
        read_keys(tmp_path / "audit.pem")
    with pytest.raises(AuditError, match="can't be made: No such file"):
        make_key(tmp_path / "nowhere" / "audit.pem")


def test_beside_an_embedded_database(tmp_path: Path) -> None:
    """A server makes a key once, for its owner alone; who only looks makes none."""
    config = Config(data_dir=tmp_path)
    assert own_keys(config) is None
    made = own_keys(config, make=True)
    again = own_keys(config, make=True)
    assert made is not None
    assert again is not None
    assert made.signing is not None
    assert again.signing is not None
    assert made.signing.private_bytes_raw() == again.signing.private_bytes_raw()
    assert [path.name for path in tmp_path.iterdir()] == ["audit-key.pem"]
    assert (tmp_path / "audit-key.pem").stat().st_mode & 0o777 == 0o600
    assert roots_file(config) == tmp_path / "audit-roots.jsonl"
    with pytest.raises(AuditError, match="File exists"):
        make_key(tmp_path / "audit-key.pem")


def test_another_database(tmp_path: Path) -> None:
    """Has the key and the file that are set, or none."""
    url = "postgresql://h/d"
    assert own_keys(Config(database_url=url, data_dir=tmp_path), make=True) is None
    assert roots_file(Config(database_url=url)) is None
    path = written(tmp_path, PRIVATE)
    keys = own_keys(Config(database_url=url, audit_key_file=path, audit_roots_file=tmp_path))
    assert keys is not None
    assert signs(keys.signing)
    assert roots_file(Config(audit_roots_file=tmp_path)) == tmp_path
