"""Train the start weights on synthetic pictures, and write them into the package.

    python benchmarks/synthetic_pictures.py synthetic 5848
    python benchmarks/start_weights.py synthetic --minutes 55
    python benchmarks/start_weights.py synthetic --minutes 60 --run further --start synthetic

The first training begins with random weights, a further one with the present start weights. The learning rate falls
until the end of each. A stopped training resumes when the command is run again. See `pippin.networks.start_weights`.
"""

import argparse
from pathlib import Path

import pippin
from pippin.networks import start_weights
from pippin.settings import RANDOM, START_SIZE, STARTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of the synthetic pictures")
    parser.add_argument("--minutes", type=float, default=55, help="minutes to train")
    parser.add_argument("--run", type=Path, default=Path("start-weights"), help="folder of the run")
    parser.add_argument("--start", choices=STARTS, default=RANDOM, help="weights to begin with")
    parser.add_argument("--output", type=Path, default=start_weights.FILE, help="file of the start weights")
    arguments = parser.parse_args()
    run = pippin.train(
        arguments.pictures,
        arguments.run,
        image_size=START_SIZE,
        minutes=arguments.minutes,
        start=arguments.start,
        checkup=0,
    )
    start_weights.save(arguments.output, run.generator, run.folder.load_network("discriminator"))
    print(f"Wrote {arguments.output} ({arguments.output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
