"""What a running studio holds: its arguments, and what its parts remember."""

import threading
from pathlib import Path

from pippin.studio.config import StudioConfig
from pippin.studio.images import Images
from pippin.studio.jobs import Jobs
from pippin.studio.places import Places
from pippin.studio.runs import Runs
from pippin.studio.sets import PictureSets
from pippin.studio.speeds import Speeds
from pippin.studio.stored import FOLDER
from pippin.studio.trainings import Trainings
from pippin.studio.worker import Worker

JOBS_IDLE_SECONDS = 60.0
"""Time after which the process for jobs ends if there is none, which frees the memory of the engine."""

EXPLORER_IDLE_SECONDS = 900.0
"""Time after which the process that generates images ends if it is not used. Loading a generator takes seconds."""


class Studio:
    """The parts of a running studio.

    Args:
        config: the arguments.

    Attributes:
        config: the arguments.
        root: the studio's folder beside the runs.
        ended: set when the server ends, so that streams of events end too.
        places, sets, runs, images, jobs, speeds: see their classes.
        explorer: the process that generates images.
        hand: the process for the work of jobs.
    """

    def __init__(self, config: StudioConfig) -> None:
        self.config = config
        self.root: Path = config.runs_root / FOLDER
        self.ended = threading.Event()
        self.places = Places(config)
        self.sets = PictureSets(self.root, self.places)
        self.runs = Runs(config, self.sets, Trainings(self.root / "trainings"))
        self.images = Images()
        self.jobs = Jobs()
        self.speeds = Speeds()
        self.explorer = Worker(EXPLORER_IDLE_SECONDS)
        self.hand = Worker(JOBS_IDLE_SECONDS)

    def close(self) -> None:
        """End what the studio started, except trainings."""
        self.ended.set()
        self.jobs.close()
        self.explorer.close()
        self.hand.close()
