"""`mlspec up` in the foreground, for a plan in a file: `foreground.py LAUNCH_JSON`."""

import sys
from pathlib import Path

from mlspec.stack import local

launch = local.Launch.from_json(Path(sys.argv[1]).read_text())
sys.exit(local.up(launch.plan, detach=False, report=local.Terminal(), limits=launch.limits))
