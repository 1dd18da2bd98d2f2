"""What an own Dockerfile may not say is refused with its line, however it is written."""

from __future__ import annotations

import pytest

from harness.build import own_dockerfile
from harness.errors import ManifestError

BASE = "FROM debian:trixie-slim\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (f"{BASE}VOLUME /data\n", 2, "write to the host's disk"),
        (f"{BASE}volume /data\n", 2, "write to the host's disk"),
        (f'{BASE}  VOLUME ["/data"]\n', 2, "write to the host's disk"),
        (f"{BASE}VOLUME\t/data\n", 2, "write to the host's disk"),
        (f"{BASE}VOL\\\nUME /data\n", 0, ""),  # two words to the engine: a mistake, and its to tell
        (
            f"{BASE}# a remark\nRUN echo \\\n# inside\n  x\nVOLUME \\\n  /data\n",
            6,
            "write to the host's disk",
        ),
        (f"# escape=`\n{BASE}RUN echo \\\nVOLUME /data\n", 4, "write to the host's disk"),
        (f"#syntax=x\n# ESCAPE = `\n{BASE}RUN echo \\\nVOLUME /data\n", 5, "write to the host's disk"),
        (f"{BASE}ONBUILD VOLUME /data\n", 2, "images built on this one"),
        (f"{BASE}ADD http://169.254.169.254/latest /x\n", 2, "use COPY"),
        (f"{BASE}ENV U=http://10.0.0.1\nADD $U /x\n", 3, "use COPY"),
        ("FROM microgpt-conformance/rust:0123456789ab\n", 1, "another port's program"),
        (
            "FROM --platform=linux/amd64 docker.io/microgpt-conformance/rust AS x\n",
            1,
            "another port's program",
        ),
        ("ARG BASE=microgpt-conformance/rust\nFROM $BASE\n", 2, "which image that is"),
        (f"{BASE}COPY --from=microgpt-conformance/c /port /port\n", 2, "another port's program"),
        (f"{BASE}COPY --chown=1:1 --from=$X /port /port\n", 2, "which image that is"),
    ],
)
def test_refused(text: str, line: int, says: str) -> None:
    if not says:
        own_dockerfile.check("x", text)
        return
    with pytest.raises(ManifestError) as caught:
        own_dockerfile.check("x", text)
    assert f"the Dockerfile of x, line {line}: " in caught.value.message
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_what_ports_need_is_not_refused() -> None:
    own_dockerfile.check(
        "x",
        "FROM debian:trixie-slim AS tools\nRUN echo VOLUME /data\nFROM tools AS built\nCOPY a b /port/\n"
        'FROM scratch\nCOPY --from=built /port /port\nCOPY --from=0 /x /y\nENTRYPOINT ["/port/x"]\n',
    )


def test_every_stage_gets_its_label() -> None:
    text = own_dockerfile.labelled("FROM a \\\n  AS b\nRUN x\nfrom b\n", "k=v")
    assert text == "FROM a \\\n  AS b\nLABEL k=v\nRUN x\nfrom b\nLABEL k=v\n"
