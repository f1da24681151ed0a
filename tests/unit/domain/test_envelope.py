"""What is sealed opens only where, by whom and as it was sealed; keys are never shown."""

from base64 import b64encode
from unicodedata import normalize

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.domain.envelope import DataKey, Kek, Keyring, key_id, new_key, normal_email, place
from server.errors import BadRequest, MissingKey, Undecipherable

HERE = place("user_secrets", "value", 7, "phone")
WRAPS = place("user_keys", "wrapped", 7)
ANNS, BENS = DataKey(bytes(range(32))), DataKey(bytes(range(1, 33)))
ONE, TWO = Kek(1, b"1" * 32), Kek(2, b"2" * 32)
FINGERPRINT = "968b5e39990c44b91a5d1259ebce08c73b769e603c0c7d2a07c5459336bfb5dd"
BLIND = "786ab93ff79d83eb8ba8951dd5667bfbd3ad4ecd09ea7ea6a1172f90731344a1"
WRAPPED = (
    "0100000001724cd68a3a0daf0b4d6cbe12c49cd81a05456d0a8cd7dc7614e426003e2687f7443db4679f84"
    "e61fb18263c2183fb45baa43727e782939751b5d2b10"
)
SEALED = "0100000000eaacdeeea89748f3998952e3cf6da9fb126ab4933083dbeed70c3b55f382d7ea7a"
LOCALS = st.text(min_size=1, max_size=60).filter(lambda text: text.strip() == text)


def written(*materials: bytes) -> str:
    """Keys 1, 2, … as they are written."""
    return "\n".join(f"{id}:{b64encode(key).decode()}" for id, key in enumerate(materials, 1))


@given(value=st.binary(max_size=200))
def test_a_value_comes_back(value: bytes) -> None:
    """Sealed and opened it is itself; sealed twice it looks different."""
    one, other = ANNS.seal(HERE, value), ANNS.seal(HERE, value)
    assert ANNS.open(HERE, one) == ANNS.open(HERE, other) == value
    assert one != other
    assert len(one) == 1 + 4 + 12 + len(value) + 16
    assert key_id(one) == 0


@given(value=st.binary(max_size=40), data=st.data())
def test_no_changed_bit_opens(value: bytes, data: st.DataObject) -> None:
    """In version, key id, nonce, text or tag: any flipped bit, and any cut, is noticed."""
    sealed = ANNS.seal(HERE, value)
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    flipped = bytearray(sealed)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for wrong in (bytes(flipped), sealed[:cut], sealed[cut + 1 :], sealed + b"\0"):
        with pytest.raises(Undecipherable):
            ANNS.open(HERE, wrong)


def test_no_changed_bit_unwraps() -> None:
    """Nor is a data key ever used of which any bit was changed."""
    wrapped = ONE.wrap(WRAPS, ANNS)
    for bit in range(8 * len(wrapped)):
        flipped = bytearray(wrapped)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Undecipherable):
            ONE.unwrap(WRAPS, bytes(flipped))


@given(table=st.text(), column=st.text(), key=st.lists(st.integers() | st.text(), max_size=3))
def test_a_moved_value_does_not_open(table: str, column: str, key: list[int | str]) -> None:
    """Not in another table, column or row."""
    elsewhere = place(table.encode("utf-8", "replace").decode(), "c", *map(repr, key))
    assume(elsewhere != HERE)
    with pytest.raises(Undecipherable):
        ANNS.open(elsewhere, ANNS.seal(HERE, b"value"))


@pytest.mark.parametrize(
    "elsewhere",
    [
        place("user_secrets", "value", 8, "phone"),
        place("user_secrets", "value", 7, "address"),
        place("user_secrets", "kind", 7, "phone"),
        place("users", "value", 7, "phone"),
        place("user_secrets", "value", "7/phone/"),
    ],
)
def test_places_differ(elsewhere: bytes) -> None:
    """By each of their parts; the error names the place and nothing of the value."""
    with pytest.raises(Undecipherable, match="can't be decrypted") as refused:
        ANNS.open(elsewhere, ANNS.seal(HERE, b"sesame"))
    assert elsewhere.decode() in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_nobody_elses_key_opens() -> None:
    """Neither another person's nor another KEK, not even under the right id."""
    with pytest.raises(Undecipherable):
        BENS.open(HERE, ANNS.seal(HERE, b"value"))
    wrapped = ONE.wrap(WRAPS, ANNS)
    assert key_id(wrapped) == 1
    with pytest.raises(Undecipherable):
        Kek(1, b"3" * 32).unwrap(WRAPS, wrapped)
    with pytest.raises(Undecipherable, match="not sealed under a person's own key"):
        ANNS.open(WRAPS, wrapped)


def test_a_ring_unwraps_by_the_key_that_is_named() -> None:
    """Old and new ones side by side; one that it lacks is named, with those that it has."""
    ring = Keyring.parse(written(b"1" * 32, b"2" * 32))
    for kek in (ONE, TWO):
        key = ring.unwrap(WRAPS, kek.wrap(WRAPS, ANNS))
        assert key.open(HERE, ANNS.seal(HERE, b"value")) == b"value"
    assert (ring.newest.id, [kek.id for kek in ring]) == (2, [1, 2])
    with pytest.raises(MissingKey, match="key 9 is missing; only 1, 2 was given"):
        ring.unwrap(WRAPS, Kek(9, b"9" * 32).wrap(WRAPS, ANNS))


def test_what_the_keys_make_is_fixed() -> None:
    """Known answers: a change of the derivations would lose every database its data."""
    assert ONE.fingerprint.hex() == FINGERPRINT
    assert ONE.blind("Ann@School.example").hex() == BLIND
    assert ONE.unwrap(WRAPS, bytes.fromhex(WRAPPED)).open(HERE, bytes.fromhex(SEALED)) == b"value"


def test_fingerprints_tell_keys_apart() -> None:
    """Another key under the same id, and the same key under another one."""
    assert len({ONE.fingerprint, Kek(1, b"2" * 32).fingerprint, Kek(2, b"1" * 32).fingerprint}) == 3


def test_the_blind_index_knows_an_address_however_it_is_written() -> None:
    """Case, blanks around it and composed letters don't count; all else does, and the key."""
    wrote = ["Jürgen@Straße.example", " jürgen@STRASSE.example\n", "ju\u0308rgen@strasse.EXAMPLE"]
    assert len({ONE.blind(email) for email in wrote}) == 1
    others = ["jurgen@strasse.example", "jürgen@strasse.example.org"]
    assert len({ONE.blind(email) for email in [wrote[0], *others]} | {TWO.blind(wrote[0])}) == 4


@given(local=LOCALS)
def test_normal_addresses_are_normal(local: str) -> None:
    """Once more changes nothing, and no canonical form of the same text is another address."""
    try:
        email = normal_email(f"{local}@school.example")
    except BadRequest:
        assume(False)
    assert normal_email(email) == email
    for form in ("NFC", "NFD"):
        assert normal_email(normalize(form, f"{local}@school.example")) == email


@pytest.mark.parametrize(
    "email",
    ["", " ", "ann", "@school.example", "ann@", "ann\n@a.b", "\ud800@a.b", "a" * 251 + "@a.b"],
)
def test_what_is_no_address(email: str) -> None:
    """It is refused without being repeated."""
    with pytest.raises(BadRequest, match=r"^This is no e-mail address\.$"):
        normal_email(email)


@pytest.mark.parametrize(
    "text",
    [
        "1:{a},2:{b}",
        "1:{a} 2:{b}",
        "# of this year\n\n2:{b} # newest\n1:{a}\n",
        "1:{a}\r\n2:{b}\r\n",
    ],
)
def test_the_ways_to_write_keys(text: str) -> None:
    """Blanks, commas, lines, in any order, with comments."""
    a, b = b64encode(b"1" * 32).decode(), b64encode(b"2" * 32).decode()
    ring = Keyring.parse(text.format(a=a, b=b))
    assert [key.fingerprint for key in ring] == [ONE.fingerprint, TWO.fingerprint]


SESAME = b64encode(b"sesame" * 5 + b"!!").decode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there is no key in it"),
        ("# nothing", "there is no key in it"),
        (SESAME, "key 1 of it is not ID:BASE64"),
        (f"{SESAME}:1", "key 1 of it is not ID:BASE64"),
        (f"0:{SESAME}", "key 1 of it is not ID:BASE64 with an id from 1 on"),
        (f"-1:{SESAME}", "key 1 of it is not ID:BASE64"),
        (f"1:{SESAME} 2147483648:{SESAME}", "key 2 of it is not ID:BASE64"),
        (f"1:{SESAME[:-4]}", "the key 1 is not the base64 of 32 bytes"),
        (f"1:{SESAME}AAAA", "the key 1 is not the base64 of 32 bytes"),
        (f"1:{SESAME[:20]}!{SESAME[21:]}", "the key 1 is not the base64 of 32 bytes"),
        (f"1:{SESAME[:20]}é{SESAME[21:]}", "the key 1 is not the base64 of 32 bytes"),
        ("1:", "the key 1 is not the base64 of 32 bytes"),
        (f"1:{SESAME},2:{SESAME}", "the key 2 is the same as another one"),
        (f"1:{SESAME},1:{b64encode(b'x' * 32).decode()}", "the id 1 is there twice"),
    ],
)
def test_keys_that_are_none(text: str, complaint: str) -> None:
    """What is wrong is said, and no piece of a key."""
    with pytest.raises(ValueError, match=complaint) as refused:
        Keyring.parse(text)
    pieces = (SESAME[start : start + 6] for start in range(len(SESAME) - 6))
    assert not any(piece in str(refused.value) for piece in pieces)


def test_nothing_shows_a_key() -> None:
    """Not the way that objects are printed, nor attributes that a debugger would list first."""
    ring = Keyring.parse(written(b"sesame" * 5 + b"!!"))
    for shown in (ring, ring.newest, DataKey(b"sesame" * 5 + b"!!")):
        assert "sesame" not in repr(shown)
        assert "sesame" not in f"{shown}"


def test_new_keys_differ() -> None:
    """Each is random, and can be read back."""
    texts = {new_key(3) for _ in range(20)}
    assert len(texts) == 20
    assert Keyring.parse(texts.pop()).newest.id == 3
