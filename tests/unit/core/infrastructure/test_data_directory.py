"""One process at a time holds a data directory, and others learn from it where the servers are."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.errors import ConfigurationError
from core.infrastructure.data_directory import AlreadyRunning, DataDirectory, RunningServers

HOLDS_UNTIL_KILLED = """
import signal, sys
from pathlib import Path
from core.infrastructure.data_directory import DataDirectory
with DataDirectory(Path(sys.argv[1])).held():
    print("held", flush=True)
    signal.pause()
"""


def servers(pid: int) -> RunningServers:
    return RunningServers(
        database_url="postgresql://d", redis_url="redis://r", broker_url="redis://b", api_url="http://a:8000", pid=pid
    )


def test_folder_is_made_private_and_unknown_to_git(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "above" / "data")

    directory.create()

    others_may_look = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
    assert not directory.path.stat().st_mode & others_may_look
    assert (directory.path / ".gitignore").read_text() == "*\n"


def test_folder_that_exists_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    DataDirectory(tmp_path).create()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_second_holder_is_told_who_runs_and_where(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)

    with directory.held():
        directory.write_servers(servers(os.getpid()))
        with pytest.raises(AlreadyRunning) as refusal, DataDirectory(tmp_path).held():
            pass

    assert refusal.value.pid == os.getpid()
    assert refusal.value.api_url == "http://a:8000"
    assert str(os.getpid()) in str(refusal.value)


def test_servers_are_found_while_the_holder_lives(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)

    with directory.held():
        directory.write_servers(servers(os.getpid()))
        found = DataDirectory(tmp_path).read_servers()
        mode = stat.S_IMODE((tmp_path / "servers.json").stat().st_mode)

    assert found == servers(os.getpid())
    assert mode == 0o600
    assert DataDirectory(tmp_path).read_servers() is None


def test_servers_of_an_earlier_holder_are_not_believed(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)

    with directory.held():
        directory.write_servers(servers(pid=os.getpid() + 1))

        assert directory.read_servers() is None


def test_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning), DataDirectory(tmp_path).held():
            pass
        holder.kill()

    with DataDirectory(tmp_path).held():
        pass


def test_nobody_runs_where_nothing_is(tmp_path: Path) -> None:
    assert DataDirectory(tmp_path / "never-used").read_servers() is None


def test_path_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")

    with pytest.raises(ConfigurationError, match="--data-dir") as refusal, DataDirectory(path).held():
        pass

    assert "\n" not in str(refusal.value)


def test_path_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--data-dir"):
        DataDirectory(Path("/proc/threads-ml")).create()
