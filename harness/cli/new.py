"""`conform new`: the folder of a port that is to be written."""

from __future__ import annotations

from pathlib import Path

import click

from harness.build import scaffold


@click.command(name="new")
@click.argument("language", required=False)
@click.option("--name", help="The port's name, if not the language's.")
@click.option("--apt", multiple=True, help="A Debian package; may be given several times.")
@click.option("--build", help="The command that builds it.")
@click.option("--run", "run_command", help="The command that starts it.")
@click.option("--version-command", help="The command that prints the toolchain's version.")
@click.option("--extension", help="The ending of the source's name, such as lua.")
@click.option("--comment", help="What begins a comment, such as '#', or both ends, such as '(* *)'.")
@click.option(
    "--family", type=click.Choice(scaffold.FAMILIES), help="An outline of this kind, not the skeleton."
)
@click.option("--into", type=click.Path(path_type=Path), help="Make the folder here and not in ports/.")
@click.option("--list", "list_known", is_flag=True, help="Name the languages that are known.")
def new_port(
    language: str | None,
    name: str | None,
    apt: tuple[str, ...],
    build: str | None,
    run_command: str | None,
    version_command: str | None,
    extension: str | None,
    comment: str | None,
    family: str | None,
    into: Path | None,
    list_known: bool,
) -> None:
    """Begin a port in LANGUAGE: a folder with a manifest and a source that is ready to grow."""
    if list_known:
        for known in scaffold.languages():
            click.echo(f"{known.name:18} {known.language:24} {'skeleton' if known.skeleton else 'outline'}")
        return
    if language is None:
        raise click.UsageError("name a language, such as lua; --list names the known ones")
    overrides = scaffold.Overrides(
        name, apt or None, build, run_command, version_command, extension, comment, family
    )
    for text in scaffold.next_steps(scaffold.begin(language, overrides, into)):
        click.echo(text)
