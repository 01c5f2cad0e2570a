"""Everything that Pippin raises on purpose.

    PippinError
    ├── SourceError      the pictures: missing, unreadable, too few
    ├── SettingsError    a setting that is unknown, out of range, or contradicts another
    ├── EngineError      no TensorFlow, JAX or PyTorch to compute with
    ├── NetworkError     a generator or discriminator whose shapes do not fit
    ├── ExportError      something that cannot be taken away in that format, or not to there
    ├── RunError         a run on disk: missing, damaged, or made with other settings
    └── TrainingError    training that cannot go on (a loss that is not finite)

Each message is one line that says what was wrong, what was received and what to do. The command line prints
it and exits with code 2.
"""


class PippinError(Exception):
    """The root of the tree: catch it to catch everything that Pippin raises on purpose."""


class SourceError(PippinError):
    """The pictures cannot be used: a missing or empty folder, too few pictures, an array of the wrong shape."""


class SettingsError(PippinError, ValueError):
    """A setting is unknown, out of its range, or contradicts another."""


class EngineError(PippinError):
    """No engine (TensorFlow, JAX or PyTorch) is installed, or the chosen one is not."""


class NetworkError(PippinError, ValueError):
    """A generator or discriminator does not take or give the shapes that training needs."""


class ExportError(PippinError):
    """A format is unknown, needs a package or an engine that is not there, or has no such layer as a network has."""


class RunError(PippinError):
    """A run on disk is missing, damaged, or was made with other settings."""


class TrainingError(PippinError):
    """Training cannot go on, for example because a loss is not finite. The last good checkpoint is untouched."""
