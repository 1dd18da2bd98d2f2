"""From lines to documents to tokens."""

from harness.explain.mutants.mutant import Edit, Mutant

SORTED = (
    "return Tokenizer(tuple(sorted({character: None for document in documents for character in document})))"
)
BOS = "        return len(self.characters)\n"
VOCABULARY = "        return len(self.characters) + 1\n"
ENCODE = "return [self.bos, *(self.characters.index(character) for character in document), self.bos]"
STRIP = "    stripped = (line.strip(WHITE_SPACE) for line in lines)\n"
KEEP = "    return [line for line in stripped if line]\n"


def _order(key: str) -> tuple[Edit, ...]:
    return (
        Edit(
            "microgpt",
            SORTED,
            SORTED.replace("for character in document})", f"for character in document}}, key={key})"),
        ),
    )


def _strip(expression: str) -> tuple[Edit, ...]:
    return (Edit("microgpt", STRIP, STRIP.replace("line.strip(WHITE_SPACE)", expression)),)


MUTANTS = [
    Mutant(
        "characters-by-utf-16",
        "characters are sorted by their UTF-16 code units",
        "JavaScript, Java and C# compare strings so: emoji come before the last 8,192 of the first plane.",
        _order("lambda c: c.encode('utf-16-be', 'surrogatepass')"),
    ),
    Mutant(
        "characters-by-locale",
        "characters are sorted without regard to case",
        "A locale's order, as sort and many collations have it.",
        _order("lambda c: (c.lower(), c)"),
    ),
    Mutant(
        "characters-by-signed-byte",
        "characters are sorted by signed bytes",
        "char is signed in C on x86: letters with accents come first.",
        _order("lambda c: [(b ^ 0x80) for b in c.encode('utf-8')]"),
    ),
    Mutant(
        "code-points-as-text",
        "code points are sorted by their decimal digits",
        "JavaScript's sort() turns numbers into text unless it is told otherwise.",
        _order("lambda c: str(ord(c))"),
    ),
    Mutant(
        "characters-by-appearance",
        "characters are numbered as they appear",
        "A hash map that keeps the order of insertion, and no sort.",
        (Edit("microgpt", SORTED, SORTED.replace("sorted(", "list(")),),
    ),
    Mutant(
        "characters-backwards",
        "characters are sorted from the last to the first",
        "A comparison with its operands exchanged.",
        (Edit("microgpt", SORTED, SORTED.replace("in document})", "in document}, reverse=True)")),),
    ),
    Mutant(
        "bos-first",
        "BOS is token 0",
        "Special tokens come first in most tokenizers.",
        (
            Edit("microgpt", BOS, "        return 0\n"),
            Edit("microgpt", ENCODE, ENCODE.replace("index(character)", "index(character) + 1")),
        ),
    ),
    Mutant(
        "no-bos-at-the-end",
        "documents do not end with BOS",
        "An end token seems to be another thing than a beginning one.",
        (Edit("microgpt", ENCODE, ENCODE.replace(", self.bos]", "]")),),
    ),
    Mutant(
        "no-bos-at-the-start",
        "documents do not begin with BOS",
        "The model is asked to predict the second letter first.",
        (Edit("microgpt", ENCODE, ENCODE.replace("[self.bos, *", "[*")),),
    ),
    Mutant(
        "documents-cut-by-one",
        "documents lose their last letter",
        "A line's length is counted with its end: fgets and a buffer that is one too short.",
        (Edit("microgpt", ENCODE, ENCODE.replace("in document)", "in document[:-1])")),),
    ),
    Mutant(
        "missing-strip",
        "lines are not stripped",
        "The public list of names has no spaces; others have.",
        _strip("line"),
    ),
    Mutant(
        "strips-the-end-only",
        "lines are stripped at their end only",
        "chomp, trim_end and their like.",
        _strip("line.rstrip(WHITE_SPACE)"),
    ),
    Mutant(
        "strips-spaces-only",
        "only spaces are stripped",
        "A trim that was written by hand: the carriage return of Windows stays.",
        _strip("line.strip(' ')"),
    ),
    Mutant(
        "strips-unicode-space",
        "all white space of Unicode is stripped",
        "The trim of most languages takes U+00A0 and U+3000 too.",
        _strip("line.strip()"),
    ),
    Mutant(
        "keeps-empty-lines",
        "empty lines are documents",
        "The last newline makes one.",
        (Edit("microgpt", KEEP, "    return list(stripped)\n"),),
    ),
    Mutant(
        "documents-once",
        "a document that occurs twice is taken once",
        "A set in place of a list.",
        (Edit("microgpt", KEEP, "    return list(dict.fromkeys(line for line in stripped if line))\n"),),
    ),
    Mutant(
        "lower-case",
        "documents are turned into lower case",
        "Names are, in the public list.",
        (Edit("microgpt", KEEP, "    return [line.lower() for line in stripped if line]\n"),),
    ),
    Mutant(
        "first-word-only",
        "a document ends at its first space",
        "scanf and other readers of words.",
        (Edit("microgpt", KEEP, "    return [line.split(' ')[0] for line in stripped if line]\n"),),
    ),
    Mutant(
        "bos-counted-twice",
        "the vocabulary has one token too many",
        "One for BOS and one for an end token that is never used.",
        (
            Edit("microgpt", VOCABULARY, VOCABULARY.replace("+ 1", "+ 2")),
            Edit("microgpt", BOS, BOS.replace("characters)", "characters) + 1")),
        ),
    ),
]
