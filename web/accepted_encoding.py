"""Whether a caller takes compressed answers (RFC 9110, section 12.5.3)."""

from functools import lru_cache

from web.context import HttpRequest

LONGEST_HEADER = 256


def accept_encoding_of(request: HttpRequest) -> str:
    """The header, which may be sent in parts; empty where there is none."""
    return ",".join(request.headers.getall("accept-encoding", []))


def accepts_gzip(header: str) -> bool:
    """What names gzip, or everything, with any weight but 0."""
    return len(header) <= LONGEST_HEADER and _accepts_gzip(header)


@lru_cache(maxsize=256)
def _accepts_gzip(header: str) -> bool:
    """Callers send the same few headers again and again."""
    weights = dict(_coding(element) for element in header.lower().split(",") if element.strip())
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _coding(element: str) -> tuple[str, float]:
    name, _, parameter = element.partition(";")
    key, _, weight = parameter.partition("=")
    if key.strip() != "q":
        return name.strip(), 1.0
    try:
        return name.strip(), float(weight)
    except ValueError:  # whoever cannot say it is sent what everybody reads
        return name.strip(), 0.0
