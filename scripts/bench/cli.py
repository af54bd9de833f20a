"""`threads-ml bench NAME`: which benchmark lives in which file."""

import typer

from scripts.on_demand import loading_on_demand

BENCHES = {
    "generate": "scripts.bench.generate",
    "tail": "scripts.bench.tail",
    "growth": "scripts.bench.growth",
    "bulk": "scripts.bench.bulk",
    "ingest": "scripts.bench.ingest",
    "bulk-growth": "scripts.bench.bulk_growth",
    "freshness": "scripts.bench.freshness",
    "import": "scripts.bench.import_",
    "train": "scripts.bench.train",
    "knn": "scripts.bench.knn",
    "rollback": "scripts.bench.rollback",
    "queue": "scripts.bench.queue",
    "serve": "scripts.bench.serve",
    "miss": "scripts.bench.miss",
    "outage": "scripts.bench.outage",
    "model-memory": "scripts.bench.model_memory",
}

app = typer.Typer(cls=loading_on_demand(BENCHES), no_args_is_help=True, add_completion=False)


@app.callback()
def _benches() -> None:
    """Measurements that anyone can repeat, as ratios taken side by side in one run."""
