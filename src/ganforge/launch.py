"""Several processes on one machine, started by torch's own launcher.

Lightning's launcher re-runs the command line in each process, which in a sweep would run the whole sweep in each. Here
the composed configuration is written first, and every process reads it: a sweep of multi-process runs is right, and
children know nothing of Hydra.
"""

import os
import subprocess
import sys
from pathlib import Path

from ganforge.errors import GanforgeError

__all__ = ["inside_a_launched_process", "launch"]


def inside_a_launched_process() -> bool:
    """Whether torchrun, SLURM or another launcher has started this process as one of several."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", "1")) > 1


def launch(config: Path, processes: int) -> None:
    """Train the configuration in ``processes`` processes and wait for all of them.

    Raises:
        GanforgeError: if one failed; it has told why on the console.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["--no-python", sys.executable, "-m", "ganforge.train", str(config)]
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)), **os.environ}
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:  # the terminal has sent it to the children too: they save and end
            continue
    if code:
        raise GanforgeError(
            f"One of the {processes} processes failed or was stopped; its own message is above. "
            "What the last checkpoint holds is kept: add resume=true to go on."
        )
