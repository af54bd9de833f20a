"""A program that turns into another one and leaves a watcher behind, which stops it when the starting process is gone.

Run as `python -I -S leash.py PIPE STOP_SIGNAL GRACE_SECONDS IDENTITY COMMAND...`, in a session of its own:

    PIPE           inherited read end of a pipe; a byte on it releases the watcher, its end without one means "stop"
    STOP_SIGNAL    number of the signal that asks the command to end; SIGKILL follows after GRACE_SECONDS
    IDENTITY       `-` (stay who we are), `UID:GID`, or `UID:GID:reach` (also pass folders closed to that user; Linux)

The command keeps this process's pid, so the starting process talks to the real program. Standard library only.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time

EXIT_IDENTITY_REFUSED = 77
EXIT_COMMAND_NOT_RUN = 127

_POLL_SECONDS = 0.05
_HIGHEST_INHERITED_FD = 1023
_SIGNALS_A_PARENT_MAY_IGNORE = (
    signal.SIGPIPE,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGXFSZ,
)

# linux/prctl.h, linux/securebits.h, linux/capability.h
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


def main(arguments: list[str]) -> None:
    """Leave the watcher behind, then become the command."""
    pipe, stop_signal, grace_seconds, identity, *command = arguments
    _leave_watcher(int(pipe), os.getpid(), int(stop_signal), float(grace_seconds))
    os.close(int(pipe))
    try:
        _take_identity(identity)
    except OSError as error:
        _give_up(f"cannot run as {identity}: {error}", EXIT_IDENTITY_REFUSED)
    _forget_signal_settings()
    try:
        os.execvp(command[0], command)  # noqa: S606  the command line is the starting process's own
    except OSError as error:
        _give_up(f"cannot run {command[0]}: {error}", EXIT_COMMAND_NOT_RUN)


def _give_up(message: str, exit_code: int) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    os._exit(exit_code)


def _leave_watcher(pipe: int, child_pid: int, stop_signal: int, grace_seconds: float) -> None:
    """Fork twice, so that the watcher is nobody's child here and the command never finds a stranger to wait for."""
    intermediate_pid = os.fork()
    if intermediate_pid:
        os.waitpid(intermediate_pid, 0)
        return
    os.setsid()
    if os.fork() == 0:
        _keep_only(pipe)
        _watch(0, child_pid, stop_signal, grace_seconds)
    os._exit(0)


def _keep_only(pipe: int) -> None:
    """Let go of everything else inherited: a log pipe or a lock held here would outlive the command."""
    os.dup2(pipe, 0)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.closerange(3, max(pipe, nothing, _HIGHEST_INHERITED_FD) + 1)


def _watch(pipe: int, child_pid: int, stop_signal: int, grace_seconds: float) -> None:
    released = os.read(pipe, 1)
    if released:
        return
    deadline = time.monotonic() + grace_seconds
    _signal(child_pid, stop_signal)
    while _lives(child_pid) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    _kill_group(child_pid)


def _lives(child_pid: int) -> bool:
    """Tell the child from a stranger who was given its pid later: the child leads its session."""
    try:
        return os.getsid(child_pid) == child_pid and not _is_unreaped(child_pid)
    except OSError:
        return False


def _is_unreaped(child_pid: int) -> bool:
    """Whether the child has ended in a container whose first process buries no orphans; only Linux tells."""
    try:
        with open(f"/proc/{child_pid}/stat", "rb") as facts:  # noqa: PTH123  pathlib would double the start time
            return facts.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False


def _signal(child_pid: int, number: int) -> None:
    if _lives(child_pid):
        with contextlib.suppress(OSError):
            os.kill(child_pid, number)


def _kill_group(child_pid: int) -> None:
    """Kill the child and what it left behind; the kernel reuses no pid that still names a process group."""
    with contextlib.suppress(OSError):
        os.killpg(child_pid, signal.SIGKILL)


def _forget_signal_settings() -> None:
    """Start the command with default signals: Python ignores SIGPIPE, a shell's `&` ignores SIGINT."""
    for number in _SIGNALS_A_PARENT_MAY_IGNORE:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _take_identity(identity: str) -> None:
    if identity == "-":
        return
    uid, gid, *reach = identity.split(":")
    if reach:
        _call_prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    if reach:
        _keep_reaching_capabilities()


def _keep_reaching_capabilities() -> None:
    """Keep, across exec, only the right to pass folders and files closed to this user.

    SECBIT_NO_SETUID_FIXUP (set before) keeps the capabilities over setuid and, unlike PR_SET_KEEPCAPS, makes access(2)
    honour them afterwards: Postgres looks for its own program with access(2).
    """
    wanted = _permitted_capabilities() & (1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH)
    if not wanted & (1 << _CAP_DAC_OVERRIDE):
        raise PermissionError("CAP_DAC_OVERRIDE is not permitted here")
    _call("capset", _capability_header(), (ctypes.c_uint32 * 6)(wanted, wanted, wanted, 0, 0, 0))
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if wanted & (1 << capability):
            _call_prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _permitted_capabilities() -> int:
    words = (ctypes.c_uint32 * 6)()
    _call("capget", _capability_header(), words)
    return words[1]


def _capability_header() -> "ctypes.Array[ctypes.c_uint32]":
    return (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)


def _call_prctl(option: int, *values: int) -> None:
    padded = (*values, 0, 0, 0, 0)[:4]
    _call("prctl", option, *(ctypes.c_ulong(value) for value in padded))


def _call(name: str, *arguments: object) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise PermissionError(f"this system has no {name}")
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
