"""The exceptions that Pippin raises.

    PippinError
    ├── SourceError      the pictures are missing, unreadable or too few
    ├── SettingsError    a setting is unknown, out of range or contradicts another
    ├── EngineError      TensorFlow, JAX or PyTorch is not installed
    ├── NetworkError     the shapes of a generator or discriminator do not fit
    ├── ExportError      a generator cannot be exported in a format or to a path
    ├── RunError         a run on disk is missing, damaged or made with other settings
    └── TrainingError    training cannot continue (a loss is not finite)

Each message is one line that says what was wrong, what to do and what was received. The command line prints it and
exits with code 2.
"""


class PippinError(Exception):
    """The base class of all exceptions that Pippin raises."""


class SourceError(PippinError):
    """The pictures cannot be used: for example, a missing or empty folder, or an array of the wrong shape."""


class SettingsError(PippinError, ValueError):
    """A setting or another argument is unknown, of the wrong type, out of range, or contradicts another."""


class EngineError(PippinError):
    """No engine (TensorFlow, JAX or PyTorch) is installed, or the selected one is not."""


class NetworkError(PippinError, ValueError):
    """The input or output shapes of a generator or discriminator do not fit."""


class ExportError(PippinError):
    """A format is unknown, needs a package or engine that is not installed, or does not support a layer."""


class RunError(PippinError):
    """A run on disk is missing, damaged, cannot be written, or was made with other settings."""


class TrainingError(PippinError):
    """Training cannot continue, for example because a loss is not finite. The last checkpoint is kept."""


class PippinWarning(UserWarning):
    """Something was wrong, and Pippin continues with something else, such as an earlier checkpoint."""
