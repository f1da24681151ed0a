"""The large document: made if none was given, joined once, by many at once, and held open."""

import random
from itertools import count
from pathlib import Path

from pycrdt import Doc, Text

from loadtests.bench.scenarios import MS, Measures
from loadtests.bench.trial import Lost, Trial

OPERATIONS = 260_000
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
WORDS = tuple(ALPHABET[start : start + size] for start in range(20) for size in (2, 4, 6))


def editing_history(operations: int, seed: int = 4) -> bytes:
    """One person writes a text: words, corrections, jumps to other places; each key an update."""
    dice = random.Random(seed)
    document = Doc[Text]()
    text = document.get("content", type=Text)
    length = place = 0
    done = count()
    while next(done) < operations:
        chance = dice.random()
        if chance < 0.01:
            place = dice.randrange(length + 1)
        if chance < 0.08 and place:
            for _ in range(min(place, dice.randint(1, 12))):
                place -= 1
                del text[place]
                length -= 1
                next(done)
        else:
            for letter in dice.choice(WORDS) + " ":
                text.insert(place, letter)
                place += 1
                length += 1
                next(done)
    return document.get_update()


def large_document(given: Path | None, cache: Path, small: bool) -> bytes:
    """The update with the large document; a generated one is kept for the next time."""
    if given is not None:
        return given.read_bytes()
    operations = 2_000 if small else OPERATIONS
    kept = cache / f"document-{operations}.update"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(editing_history(operations))
    return kept.read_bytes()


async def large(trial: Trial, joins: int, at_once: int, held: int) -> Measures:
    """Join a large document alone and in a crowd, and see what each open one takes."""
    update = trial.document
    same = _content(update)
    [home] = trial.sessions(1, 1)
    await trial.herd.open_on_first("home", [home], target=trial.server.target())
    await trial.herd.call(0, "upload", group="home", update=update.hex())
    await trial.until_newcomers_find(home[0], lambda found: _content(found) == same)

    again = [(home[0], home[1], joins)]
    alone = await trial.herd.open_on_first(
        "one", again, target=trial.server.target(), concurrency=1
    )
    async with trial.measured() as usage:
        crowd = await trial.herd.open(
            "crowd",
            [(home[0], home[1], at_once)],
            target=trial.server.target(),
            concurrency=at_once,
            one_first=False,
        )
    for group in ("one", "crowd"):
        for answer in await trial.herd.all("documents", group=group):
            if any(_content(bytes.fromhex(document)) != same for document in answer):
                raise Lost("a newcomer got another document than was uploaded")

    before = await trial.memory()
    others = trial.sessions(held, 1)
    await trial.herd.open_on_first("held", others, target=trial.server.target())
    await trial.herd.call(0, "upload", group="held", update=update.hex())
    for name, _, _ in others:
        await trial.until_newcomers_find(name, lambda found: _content(found) == same)
    await trial.rest(2.0)
    after = await trial.memory()
    return {
        "join_ms": alone["joins"].percentile(0.5) * MS,
        "crowd_ms": crowd["seconds"] * MS,
        "mib_each": (after.all - before.all) / held / 2**20,
        **usage.costs,
        "update_mib": len(update) / 2**20,
    }


def _content(update: bytes) -> tuple[bytes, bytes]:
    """What tells whether two updates make the same document: state vector and all content."""
    document: Doc[Text] = Doc()
    document.apply_update(update)
    return document.get_state(), document.get_update()
