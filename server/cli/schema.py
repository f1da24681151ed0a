"""`lyceum db schema`: what the database holds, in words and diagrams."""

import click

from server.cli.running import fail, json_option, print_json, with_database
from server.persistence import diagrams


@click.command("schema")
@json_option
def db_schema(as_json: bool) -> None:
    """Print the schema as it is in the database: Markdown with a diagram (Mermaid) a context."""
    tables = with_database(diagrams.read)
    if not tables:
        fail("this database has no schema yet; `lyceum db migrate` makes it")
    if as_json:
        print_json({table.name: _described(table) for table in tables})
    else:
        click.echo(diagrams.render(tables), nl=False)


def _described(table: diagrams.Table) -> dict[str, object]:
    return {
        "comment": table.comment,
        "partitioned": table.partitioned,
        "columns": [column._asdict() for column in table.columns],
        "keys": [key._asdict() for key in table.keys],
    }
