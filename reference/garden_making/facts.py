"""The part [facts] of a card, which is counted and not typed."""

from reference.app import garden

HEADING = "[facts]\n"


def write(card: garden.Card) -> None:
    """Count the dataset and put the figures at the end of its card."""
    path = garden.FOLDER / f"{card.name}.toml"
    head = path.read_text(encoding="utf-8").split(HEADING)[0].rstrip("\n")
    rows = "".join(f"{key} = {shown(value)}\n" for key, value in garden.count(card.name).items())
    path.write_text(f"{head}\n\n{HEADING}{rows}", encoding="utf-8", newline="\n")


def shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
