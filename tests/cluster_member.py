"""One process of a training with tiny networks: the command line, for `test_cluster.py`.

`python tests/cluster_member.py KILL_AT WORD…` runs `pippin WORD…`. A process that follows kills itself before the step
KILL_AT, unless that is 0.
"""

import os
import signal
import sys

import tiny

from pippin import cli, networks
from pippin.engines import cluster
from pippin.training.runners import BlockSteps

networks.build = tiny.build
run, kill_at = BlockSteps.run, int(sys.argv[1])


def run_or_die(self, state, n, schedules):
    if kill_at and not cluster.is_leader() and n >= kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, state, n, schedules)


BlockSteps.run = run_or_die
sys.argv = ["pippin", *sys.argv[2:]]
cli.main()
