"""Every error tiergate raises.

TiergateError
├── ConfigurationError      stops start-up; names file, key and fix
│   ├── PolicyError         policy.yaml is wrong, alone or against config.yaml
│   └── ArtifactError       a classifier or encoder folder is missing, torn or of another kind
├── ControlRefusedError     a client asked for a control that policy does not allow (403)
│   └── ControlValueError   a control has a value that it cannot have (400)
└── ServingError            trouble while serving; the request goes on (fail open)
    ├── StageTimeoutError   a stage ran past its budget
    ├── QueueFullError      the inference queue is full
    ├── EmbedderError       the encoder failed
    ├── ClassifierError     the classifier failed
    ├── StoreError          the answer store failed
    ├── EscalationError     the stronger tier gave no answer
    └── DecisionLogError    a decision could not be written
"""

from pathlib import Path


class TiergateError(Exception):
    """Base of all errors of tiergate."""


class ConfigurationError(TiergateError):
    """Bad configuration: stops start-up.

    Args:
        file: The file that is wrong.
        key: The key inside the file, dotted; empty when the file as a whole is wrong.
        problem: What is wrong, one sentence without a full stop.
        fix: What to do about it, one sentence without a full stop.
    """

    def __init__(self, file: str | Path, key: str, problem: str, fix: str) -> None:
        self.file, self.key, self.problem, self.fix = str(file), key, problem, fix
        where = f"{self.file}: {key}" if key else self.file
        super().__init__(f"{where}: {problem}. Fix: {fix}.")


class PolicyError(ConfigurationError):
    """policy.yaml is wrong, alone or against config.yaml."""


class ArtifactError(ConfigurationError):
    """A classifier or encoder folder is missing, torn or of another kind."""


class ControlRefusedError(TiergateError):
    """A client asked for a request control that policy does not allow for it."""

    def __init__(self, control: str) -> None:
        self.control = control
        super().__init__(
            f"the request control metadata.tiergate.{control} is not allowed for this caller; "
            f"add it to `controls` in policy.yaml or leave it out"
        )


class ControlValueError(ControlRefusedError):
    """A request control has a value that it cannot have."""

    def __init__(self, control: str, wanted: str) -> None:
        self.control = control
        TiergateError.__init__(
            self, f"the request control metadata.tiergate{control and '.'}{control} must be {wanted}"
        )


class ServingError(TiergateError):
    """Trouble while serving: the request goes on without the stage, and the record says why."""


class StageTimeoutError(ServingError):
    """A stage ran past its time budget."""


class QueueFullError(ServingError):
    """The inference queue is full."""


class EmbedderError(ServingError):
    """The encoder failed."""


class ClassifierError(ServingError):
    """The classifier failed."""


class StoreError(ServingError):
    """The answer store failed."""


class EscalationError(ServingError):
    """The stronger tier gave no answer."""


class DecisionLogError(ServingError):
    """A decision could not be written."""
