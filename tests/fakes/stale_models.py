"""Models whose feeds are stale, in a set."""

from dataclasses import dataclass, field


@dataclass
class FakeStaleModels:
    """`versions` can be changed at any time."""

    versions: set[str] = field(default_factory=set)

    def includes(self, model_version: str) -> bool:
        return model_version in self.versions
