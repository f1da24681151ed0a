"""`lyceum serve`."""

import sys

import click

from server import start
from server.cli.running import fail, run


@click.command()
@click.option("--host", help="Address to listen on [LYCEUM_HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [LYCEUM_PORT, 8000].")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
def serve(host: str | None, port: int | None, workers: int) -> None:
    """Serve sessions until SIGTERM or Ctrl-C."""
    if workers > 1:
        fail(
            f"--workers {workers}: several processes need a bus between them (LYCEUM_REDIS_URL),"
            " which does not exist yet; one process serves a whole school"
        )
    sys.exit(run(start.serve, host, port))
