"""`lyceum export`: documents as files, beside a running server and without one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycrdt import Doc, Text

from tests.clients.driver import Driver
from tests.support.command import Command
from tests.support.server import LyceumServer


async def test_export(
    make_server: Callable[..., LyceumServer], driver: Driver, tmp_path: Path
) -> None:
    """What is saved, in each form; a server that runs isn't disturbed, and none is needed."""
    server = make_server()
    await server.start()
    lyceum = Command(tmp_path, data_dir=str(server.folder / "data"))
    client = await driver.join("hp4", server.ws, "Übung 1")
    await client.insert("contract C {}\n")
    await client.map_set("a", 1)
    await client.wait_settled()
    assert (await lyceum("export", "Übung 1")).output == "contract C {}\n"
    file = tmp_path / "out"
    done = await lyceum("export", "Übung 1", "--format", "update", "--output", str(file))
    assert (done.code, done.output) == (0, "")
    doc: Doc[Any] = Doc()
    doc.apply_update(file.read_bytes())
    assert str(doc.get("content", type=Text)) == "contract C {}\n"
    missing = await lyceum("export", "nowhere", "--output", str(tmp_path / "none"))
    assert missing.complaint == "There is no session 'nowhere'."
    assert not (tmp_path / "none").exists()
    wrong = await lyceum("export", "Übung 1", "--format", "prosemirror", "--field", "map")
    assert "it is a Map" in wrong.complaint
    await server.kill()

    done = await lyceum("export", "Übung 1", "--format", "json")
    assert json.loads(done.output) == {"content": "contract C {}\n", "map": {"a": 1}}
