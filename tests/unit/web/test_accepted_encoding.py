"""Whether a caller takes gzip."""

import pytest

from web.accepted_encoding import LONGEST_HEADER, accepts_gzip


@pytest.mark.parametrize(
    "header",
    [
        "gzip",
        "gzip, zstd, deflate",
        "br;q=1.0, GZIP;q=0.5",
        "*",
        "deflate, *;q=0.1",
        " gzip ; q=1",
        "x-gzip",
        "gzip;a=b",
    ],
)
def test_who_names_it_is_sent_it(header: str) -> None:
    assert accepts_gzip(header)


@pytest.mark.parametrize(
    "header",
    [
        *("", "identity", "zstd, br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "gzip;q=rubbish", "gzipped", ",", ";q=1"),
        "gzip," + " " * LONGEST_HEADER,
    ],
)
def test_who_does_not_is_sent_what_everybody_reads(header: str) -> None:
    assert not accepts_gzip(header)
