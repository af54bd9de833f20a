"""The benchmark of bulk generation measures what it says, on a small scale."""

from scripts.bench.bulk import measure


async def test_everybody_gets_a_feed_and_every_figure_is_told() -> None:
    figures = await measure(users=300, posts=200, interactions=9000, misses=50, sample=20)

    assert 250 < figures.users <= 300
    assert figures.users_per_s > 0
    assert figures.ratio_to_plain > 0
    assert figures.chunk_1_users_per_s > 0
    assert figures.share_of_engine > 0
    assert {"history", "kernel", "compose", "postgres", "redis"} <= set(figures.stages_us)
    assert min(figures.stages_us[stage] for stage in ("history", "kernel", "postgres", "redis")) > 0
    # Redis is done with so few within one tick of the clock by which processes are charged.
    assert min(figures.processor_us[kind] for kind in ("worker", "postgres", "command")) > 0
    assert figures.processor_us["redis"] >= 0
    assert figures.memory["worker"].at_a_tenth > 50_000_000
    assert figures.memory["command"].growth > 0
    assert figures.bytes_in_postgres > 1000
    assert figures.bytes_in_redis > 1000
    assert figures.misses is not None
    assert figures.misses.generated > 0
