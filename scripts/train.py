"""`threads-ml train`: learn a model from the interactions and let it serve."""

import getpass
from datetime import timedelta
from pathlib import Path

from core.domain.model import ModelRecord, ModelStatus
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.training import open_training
from scripts.wiring import open_platform

app = command_app()


@app.command()
def train(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Learn a model from all interactions, register it and promote it."""
    run_to_end(_train(data_dir))


async def _train(data_dir: Path) -> None:
    async with open_platform(data_dir) as settings, open_training(settings) as train_model:
        with console.status("training"):
            record = await train_model(by=getpass.getuser())
    console.print(_said_of(record))


def _said_of(record: ModelRecord) -> str:
    learned = (
        f"{record.version}: learned from {record.interaction_count:,} interactions of {record.user_count:,} users "
        f"with {record.post_count:,} posts over {_days(record.data_up_to - record.data_from)}"
    )
    if record.status is ModelStatus.CHAMPION:
        return f"{learned}; it serves now"
    return f"{learned}; it stays a candidate, because MODEL_PIN names the model that serves"


def _days(span: timedelta) -> str:
    return f"{span.total_seconds() / 86400:.0f} days"


if __name__ == "__main__":
    app()
