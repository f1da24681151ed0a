"""The `lyceum` command, run as a user would."""

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

from tests.support.server import LYCEUM


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The one line that a command which can't go on writes, and nothing else."""
        assert self.code == 1, self
        assert self.output == "", self
        assert self.errors.startswith("lyceum: "), self
        assert self.errors.count("\n") == 1, self
        return self.errors.removeprefix("lyceum: ").strip()


class Command:
    """Runs `lyceum …` with settings of its own in a folder of its own.

    settings: LYCEUM_… variables without that prefix, in lower case; by default only the data
    directory, which does not exist yet.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = {"data_dir": str(folder / "data"), **settings}

    async def start(self, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
        """Start a command; these settings win."""
        environ = {key: value for key, value in os.environ.items() if "LYCEUM" not in key}
        for name, value in {**self.settings, **settings}.items():
            environ[f"LYCEUM_{name.upper()}"] = value
        return await asyncio.create_subprocess_exec(
            LYCEUM,
            *arguments,
            cwd=self.folder,
            env=environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str, answer: str = "", **settings: str) -> Done:
        """Run a command to its end. answer: typed into it."""
        return await finished(await self.start(*arguments, **settings), answer)


async def finished(process: asyncio.subprocess.Process, answer: str = "") -> Done:
    """What a command wrote until its end."""
    async with asyncio.timeout(60):
        output, errors = await process.communicate(answer.encode())
    assert process.returncode is not None
    return Done(process.returncode, output.decode(), errors.decode())
