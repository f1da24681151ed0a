"""Envelope encryption of personal data: what is sealed under which key, and how it looks. Pure.

A person's values are sealed under that person's data key, and the data key is wrapped by a key
encryption key (KEK) that the database never sees. So another KEK means wrapping small keys anew,
and dropping one data key makes all of a person's values unreadable in every copy that lacks it.

A ciphertext: version (1 byte) | key id (4, big-endian: the KEK's of a wrapped data key, 0 of a
value) | nonce (12, random) | AES-256-GCM of the plaintext with its tag (16). The header and the
place, `table.column:primary key`, are authenticated with it: nothing decrypts anywhere else.

From a KEK, HKDF (RFC 5869) derives three keys: to wrap, to look e-mail addresses up, and for the
fingerprint by which a wrong KEK is known.
"""

import hmac
import re
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from struct import Struct
from unicodedata import category, normalize

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.errors import BadRequest, MissingKey, Undecipherable

VERSION = 1
HEADER = Struct(">BI")
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32
OWN_KEY = 0  # the key id of what is sealed under a person's data key
MOST_ID = 2**31 - 1
LONGEST_EMAIL = 254  # RFC 5321, without the angle brackets


def place(table: str, column: str, *key: object) -> bytes:
    """Where a ciphertext belongs: `table.column:primary key`."""
    return f"{table}.{column}:{'/'.join(map(str, key))}".encode()


class DataKey:
    """One person's own key; shown nowhere."""

    def __init__(self, material: bytes) -> None:
        self._material = material
        self._cipher = AESGCM(material)

    @classmethod
    def new(cls) -> "DataKey":
        """A random one."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def seal(self, where: bytes, plaintext: bytes) -> bytes:
        """The ciphertext of a value; where: its `place`."""
        return _seal(self._cipher, OWN_KEY, where, plaintext)

    def open(self, where: bytes, ciphertext: bytes) -> bytes:
        """The value; raises Undecipherable if it is not this person's, of this place, as sealed."""
        if key_id(ciphertext) != OWN_KEY:
            raise Undecipherable(f"{where.decode()} is not sealed under a person's own key.")
        return _open(self._cipher, where, ciphertext)


class Kek:
    """A key encryption key; shown nowhere."""

    def __init__(self, id: int, material: bytes) -> None:
        self.id = id
        self._cipher = AESGCM(_derived(material, "wrap"))
        self._blinding = _derived(material, "blind index")
        self.fingerprint = hmac.digest(_derived(material, "fingerprint"), b"%d" % id, "sha256")

    def wrap(self, where: bytes, key: DataKey) -> bytes:
        """A data key as it is stored; where: its `place`."""
        return _seal(self._cipher, self.id, where, key._material)

    def unwrap(self, where: bytes, wrapped: bytes) -> DataKey:
        """A stored data key; raises Undecipherable."""
        return DataKey(_open(self._cipher, where, wrapped))

    def blind(self, email: str) -> bytes:
        """What an e-mail address is found by, whichever way it is written."""
        return hmac.digest(self._blinding, normal_email(email).encode(), "sha256")


class Keyring:
    """The KEKs that this process was given, by their ids; never empty.

    Written as `id:base64` of 32 bytes each, with blanks, commas or line ends between, and comments
    from # to the end of the line.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = {id: Kek(id, material) for id, material in sorted(keys.items())}

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Raises ValueError, which says what is wrong and shows nothing of a key."""
        return cls(parse_keys(text))

    def __getitem__(self, id: int) -> Kek:
        """The key with this id; raises MissingKey."""
        if id not in self._keys:
            raise MissingKey(f"The encryption key {id} is missing; only {self.named} was given.")
        return self._keys[id]

    def __iter__(self) -> Iterator[Kek]:
        return iter(self._keys.values())

    @property
    def newest(self) -> Kek:
        """The one with the highest id."""
        return self._keys[max(self._keys)]

    @property
    def named(self) -> str:
        """Its ids, for people."""
        return ", ".join(map(str, self._keys))

    def unwrap(self, where: bytes, wrapped: bytes) -> DataKey:
        """A stored data key, by the KEK that it names; raises MissingKey, Undecipherable."""
        return self[key_id(wrapped)].unwrap(where, wrapped)


def parse_keys(text: str) -> dict[int, bytes]:
    """The key material by id; raises ValueError, which shows nothing of a key."""
    keys: dict[int, bytes] = {}
    entries = re.split(r"[\s,]+", re.sub(r"#.*", "", text))
    for number, entry in enumerate(filter(None, entries), 1):
        id, _, encoded = entry.partition(":")
        if not (id.isascii() and id.isdecimal() and 1 <= int(id) <= MOST_ID):
            raise ValueError(f"key {number} of it is not ID:BASE64 with an id from 1 on")
        material = _decoded(encoded)
        if len(material) != KEY_BYTES:
            raise ValueError(f"the key {int(id)} is not the base64 of {KEY_BYTES} bytes")
        if int(id) in keys:
            raise ValueError(f"the id {int(id)} is there twice")
        if material in keys.values():
            raise ValueError(f"the key {int(id)} is the same as another one")
        keys[int(id)] = material
    if not keys:
        raise ValueError("there is no key in it")
    return keys


def _decoded(encoded: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        return b""


def new_key(id: int) -> str:
    """A random KEK, as it is written."""
    return f"{id}:{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def key_id(ciphertext: bytes) -> int:
    """The id of the key that a ciphertext names; raises Undecipherable."""
    if len(ciphertext) < HEADER.size + NONCE_BYTES + TAG_BYTES:
        raise Undecipherable(f"A ciphertext has {len(ciphertext)} bytes, too few to be one.")
    version, id = HEADER.unpack_from(ciphertext)
    if version != VERSION:
        raise Undecipherable(f"A ciphertext has version {version}, not {VERSION}.")
    return int(id)


def normal_email(email: str) -> str:
    """The form in which two ways to write an e-mail address are equal; raises BadRequest.

    Canonical caseless matching (Unicode, D145), composed; blanks around it don't count.
    """
    plain = normalize("NFC", normalize("NFD", email.strip()).casefold())
    local, at, domain = plain.rpartition("@")
    unprintable = any(category(character) in ("Cc", "Cs") for character in plain)
    if not (local and at and domain) or unprintable or len(email) > LONGEST_EMAIL:
        raise BadRequest("This is no e-mail address.")
    return plain


def _derived(material: bytes, purpose: str) -> bytes:
    info = f"lyceum {purpose} {VERSION}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(material)


def _seal(cipher: AESGCM, id: int, where: bytes, plaintext: bytes) -> bytes:
    header = HEADER.pack(VERSION, id)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return header + nonce + cipher.encrypt(nonce, plaintext, header + where)


def _open(cipher: AESGCM, where: bytes, ciphertext: bytes) -> bytes:
    key_id(ciphertext)
    header, rest = ciphertext[: HEADER.size], ciphertext[HEADER.size :]
    try:
        return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], header + where)
    except InvalidTag:
        raise Undecipherable(
            f"{where.decode()} can't be decrypted: it was changed or moved, or the key is another."
        ) from None
