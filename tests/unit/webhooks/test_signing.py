"""Signatures are those of the Standard Webhooks scheme."""

from base64 import b64decode

from server.webhooks import signing


def test_the_known_answer() -> None:
    """The example that libraries of the scheme are tested with."""
    signature = signing.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_a_key_of_32_random_bytes() -> None:
    """Two are never the same."""
    one, other = signing.make_secret(), signing.make_secret()
    assert one.startswith("whsec_")
    assert len(b64decode(one.removeprefix("whsec_"))) == 32
    assert one != other


def test_id_time_and_body_are_signed() -> None:
    """A change to any of them, or another key, gives another signature."""
    secret = signing.make_secret()
    signatures = {
        signing.sign(secret, "a", 1, b"body"),
        signing.sign(secret, "b", 1, b"body"),
        signing.sign(secret, "a", 2, b"body"),
        signing.sign(secret, "a", 1, b"Body"),
        signing.sign(signing.make_secret(), "a", 1, b"body"),
    }
    assert len(signatures) == 5


def test_the_headers() -> None:
    """Id, Unix time and signature, as receivers' libraries look for them."""
    secret = signing.make_secret()
    assert signing.headers(secret, "a", 7, b"body") == {
        "webhook-id": "a",
        "webhook-timestamp": "7",
        "webhook-signature": signing.sign(secret, "a", 7, b"body"),
    }
