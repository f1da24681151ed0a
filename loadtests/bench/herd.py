"""All generator processes, as the benchmark speaks to them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Self

from loadtests.bench.histogram import Histogram
from loadtests.bench.ledger import Ledger
from loadtests.bench.updates import MAX_EDITS

LINE_BYTES = 2**26
Sessions = list[tuple[str, int, int]]  # name, number in the ledger, clients


class GeneratorFailed(Exception):
    """A generator refused or ended."""


class Herd:
    """So many generator processes, pinned to cores in turn; a context manager."""

    def __init__(self, folder: Path, processes: int, cores: list[int]) -> None:
        self._path = folder / "ledger"
        self._count = processes
        self._cores = cores or [-1]
        self._processes: list[asyncio.subprocess.Process] = []
        self.ledger = Ledger(self._path, processes)
        assert self.ledger.edits <= MAX_EDITS

    async def __aenter__(self) -> Self:
        for index in range(self._count):
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "loadtests.bench.generator",
                    *map(str, (self._path, self._count, index)),
                    str(self._cores[index % len(self._cores)]),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    limit=LINE_BYTES,
                    start_new_session=True,
                )
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        self._path.unlink(missing_ok=True)

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [process.pid for process in self._processes]

    async def call(self, index: int, do: str, **arguments: Any) -> Any:
        """One process carries out an operation of `Generator`."""
        process = self._processes[index]
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"do": do, "with": arguments}).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except ConnectionError:
            line = b""
        if not line:
            raise GeneratorFailed(f"generator {index} ended during {do}")
        answer = json.loads(line)
        if "error" in answer:
            raise GeneratorFailed(f"{do}: {answer['error']}")
        return answer["result"]

    async def all(self, do: str, **arguments: Any) -> list[Any]:
        """Every process does it at the same time."""
        return await asyncio.gather(
            *(self.call(index, do, **arguments) for index in range(self._count))
        )

    async def open(self, group: str, sessions: Sessions, **arguments: Any) -> dict[str, Any]:
        """Clients join sessions: those of one session spread over processes if it is the only one.

        Gives the seconds that it took, and the latencies of joins.
        """
        shares: list[Sessions] = [[] for _ in range(self._count)]
        if len(sessions) < self._count:
            for name, number, clients in sessions:
                for index, share in enumerate(shares):
                    part = clients // self._count + (index < clients % self._count)
                    share.append((name, number, part))
        else:
            for index, session in enumerate(sessions):
                shares[index % self._count].append(session)
        spread = len(sessions) < self._count and arguments.get("one_first", True)
        answers = []
        if spread:  # whoever opens a session comes first
            answers.append(await self.call(0, "open", group=group, sessions=shares[0], **arguments))
        answers += await asyncio.gather(
            *(
                self.call(index, "open", group=group, sessions=share, **arguments)
                for index, share in enumerate(shares)
                if index or not spread
            )
        )
        joins = sum((Histogram.read(answer["joins"]) for answer in answers), Histogram())
        return {"seconds": max(answer["seconds"] for answer in answers), "joins": joins}

    async def open_on_first(
        self, group: str, sessions: Sessions, **arguments: Any
    ) -> dict[str, Any]:
        """The same with all clients in the first process."""
        answers = await asyncio.gather(
            self.call(0, "open", group=group, sessions=sessions, **arguments),
            *(
                self.call(index, "open", group=group, sessions=[], **arguments)
                for index in range(1, self._count)
            ),
        )
        return {"seconds": answers[0]["seconds"], "joins": Histogram.read(answers[0]["joins"])}

    async def type(self, group: str, rate: float, seconds: float, padding: int = 0) -> "Typed":
        """Edits at an even rate, by all clients in turn."""
        answers = await self.all(
            "type", group=group, rate=rate / self._count, seconds=seconds, padding=padding
        )
        return Typed(answers)


class Typed:
    """What a time of typing was."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.ranges = [(int(start), int(end)) for start, end in (one["range"] for one in answers)]
        self.edits = sum(end - start for start, end in self.ranges)
        self.rate = sum(
            (end - start) / one["seconds"]
            for (start, end), one in zip(self.ranges, answers, strict=True)
        )
        self.latest = max(float(one["latest"]) for one in answers)
        self.generator_cpu = max(float(one["monitor"]["cpu"]) for one in answers)
        late = sum((Histogram.read(one["monitor"]["late"]) for one in answers), Histogram())
        self.generator_late = late.percentile(0.99)
