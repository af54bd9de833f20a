"""The process that talks to MLflow: says whether its store can be reached, then records the run on standard input.

Run as `python -P mlflow_recording.py EXPERIMENT`. It says one line when the store has answered, the same again when the
run has come and the store still answers, and one when the run is kept, or a line that begins with `failed`. Standard
input that ends empty means that there is none. Standard library and MLflow only.
"""

import fcntl
import hashlib
import json
import os
import re
import socket
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONNECTED, KEPT, FAILED = "connected", "kept", "failed"

PROBE_SECONDS = 3.0
# A server that passes artefacts on answers only when its own store has them.
_UPLOAD_SECONDS = "120"
_AT_ONCE = 100
_GATEWAY_ERRORS = {502, 503, 504}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def main(arguments: Sequence[str]) -> None:
    """Probe, connect, read, record."""
    say = _own_voice()
    try:
        probe(os.environ.get("MLFLOW_TRACKING_URI", ""))
        say(CONNECTED)
        text = sys.stdin.read()
        if text:
            # Hours may have passed: importing MLflow for a server that has gone since would be waited for.
            probe(os.environ.get("MLFLOW_TRACKING_URI", ""))
            say(CONNECTED)
            say(f"{KEPT} {_record(arguments[0], json.loads(text))}")
    except Exception as error:  # whatever it is, the other process wants one line
        say(f"{FAILED} {_told(error)}")


def probe(uri: str) -> None:
    """Raise OSError unless a server that the URI names answers in a few seconds; without MLflow's import."""
    parts = urlsplit(uri)
    scheme = parts.scheme.partition("+")[0]
    if scheme in {"http", "https"}:
        _ask(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/health")
    elif scheme in _PORTS and parts.hostname:
        socket.create_connection((parts.hostname, parts.port or _PORTS[scheme]), PROBE_SECONDS).close()


def _ask(url: str) -> None:
    """Any answer of the server will do, a refusal too: it is MLflow that knows the credentials and whom to trust."""
    try:
        urllib.request.urlopen(url, timeout=PROBE_SECONDS).close()  # noqa: S310 - http or https, as asked above
    except urllib.error.HTTPError as error:
        if error.code in _GATEWAY_ERRORS:
            raise
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):
            raise


def _told(error: Exception) -> str:
    """One line, without the credentials of URLs that MLflow repeats."""
    return re.sub(r"//[^/\s]*@", "//", " ".join(str(error).split()))[:500] or type(error).__name__


def _own_voice() -> Any:
    """Lines for the other process; what libraries print goes elsewhere."""
    voice = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return lambda line: voice.write(line + "\n")


def _record(experiment: str, run: Mapping[str, Any]) -> str:
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds: first the store must be known to answer

    with _alone():
        client = MlflowClient()
        experiment_id = _experiment(client, experiment)
    run_id = str(client.create_run(experiment_id, tags=run["tags"], run_name=run["name"]).info.run_id)
    try:
        _log(client, run_id, run)
    except BaseException:
        # What went wrong first is the reason that is told.
        with suppress(Exception):
            client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - as above

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        # Another machine was quicker.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def _log(client: Any, run_id: str, run: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - as above

    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in run["metrics"].items()]
    for name, values in run["series"].items():
        # A second a step: MLflow's page of one metric draws by time, and would draw one moment as one upright line.
        begin = now - 1000 * len(values)
        metrics += [Metric(name, value, begin + 1000 * step, step) for step, value in enumerate(values)]
    params = [Param(name, value) for name, value in run["parameters"].items()]
    for some in _parts(params):
        client.log_batch(run_id, params=some)
    for some in _parts(metrics):
        client.log_batch(run_id, metrics=some)
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = _UPLOAD_SECONDS
    for path in run["files"]:
        client.log_artifact(run_id, path)
    with tempfile.TemporaryDirectory() as folder:
        picture = _drawn(run["series"], Path(folder))
        if picture is not None:
            client.log_artifact(run_id, str(picture))


def _drawn(series: Mapping[str, Sequence[float]], folder: Path) -> Path | None:
    """The series as lines; none without them, or where the drawing package was left out of the install."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second
    except ModuleNotFoundError:
        return None
    if not series:
        return None
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, values in series.items():
        axes.plot(range(len(values)), values, marker="o", label=name)
    axes.set_xlabel("step")
    figure.legend(loc="outside right upper")
    figure.savefig(folder / "series.png", dpi=120)
    return folder / "series.png"


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    return (items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE))


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time makes the tables of a store, among those of one machine and folder."""
    place = hashlib.sha256(f"{Path.cwd()} {os.environ.get('MLFLOW_TRACKING_URI', '')}".encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"threads-ml-{os.getuid()}-{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main(sys.argv[1:])
