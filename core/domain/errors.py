"""Everything that can be wrong, as states; no HTTP and no exit codes here.

ThreadsMlError
├── ConfigurationError        the operator must change a setting; not retried (exit code 78)
├── InvalidInput              the caller sent or named something wrong
│   ├── CursorExpired         the page's feed has been replaced since
│   └── SequenceUnknown       no interactions have that number
├── NotFound                  nothing is stored under that name
├── NotTrainable              the interactions are too few to learn from
├── PromotionRefused          another model must stay the champion
├── PruneRefused              the model's bytes are still needed
├── RunActive                 another run of the same kind is not over yet
├── RunTakenOver              another process goes on with the run
├── RunCancelled              the run's jobs are not to be done any more
├── ArtefactRefused           a model file is not what the registry says
├── StorageFull               the local disk has no room for a model
└── Unavailable               a server cannot be reached right now
    ├── CacheUnavailable
    ├── ArchiveUnavailable
    ├── QueueUnavailable
    └── Overloaded            more feeds are waiting to be generated than there may be
"""


class ThreadsMlError(Exception):
    """Base of every error the service raises on purpose; its text is one line for a person."""


class ConfigurationError(ThreadsMlError):
    """A setting or the machine's set-up is wrong; trying again cannot help."""

    EXIT_CODE = 78  # EX_CONFIG of sysexits.h: supervisors do not retry it


class InvalidInput(ThreadsMlError):
    """What the caller gave breaks a rule; `pointer` names the field as a JSON pointer where there is one."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class CursorExpired(InvalidInput):
    """The feed that the cursor was taken from has been replaced; paging starts again."""


class SequenceUnknown(InvalidInput):
    """The number of a change that was never given to any; the text names the last one."""


class NotFound(ThreadsMlError):
    """Nothing is stored under that name."""


class NotTrainable(ThreadsMlError):
    """There is too little to learn from."""


class PromotionRefused(ThreadsMlError):
    """The model may not become the champion now; the text says why."""


class PruneRefused(ThreadsMlError):
    """The model's bytes must stay; the text says why."""


class RunActive(ThreadsMlError):
    """A run of the kind has something left to do; the text names it."""


class RunTakenOver(ThreadsMlError):
    """Another process has gone on with the run, or has ended it; there is nothing left to do for this one."""


class RunCancelled(ThreadsMlError):
    """Somebody has cancelled the run that the job belongs to: it is passed over, not retried."""


class ArtefactRefused(ThreadsMlError):
    """A model's bytes are missing or not what the registry says, or hold more than numeric arrays."""


class StorageFull(ThreadsMlError):
    """The local disk has no room for a model's file; what is there stays."""


class Unavailable(ThreadsMlError):
    """A server that is needed does not answer right now; an older answer may do."""


class CacheUnavailable(Unavailable):
    """The Redis that holds feeds does not answer."""


class ArchiveUnavailable(Unavailable):
    """Postgres does not answer."""


class QueueUnavailable(Unavailable):
    """The Redis that holds the queue does not answer."""


class Overloaded(Unavailable):
    """More feeds wait to be generated than there may be; what is stored is served on."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
