"""Renders a spec in a fresh child each time it is told to: the child can be killed at any moment.

Reads folders from standard input, a line each; answers with the child's process id, with "writing" when it begins to
write, and when it has ended with its return code. Everything is imported and warm before the first answer.
"""

import os
import sys
from pathlib import Path
from typing import Any

from mlspec import pipeline, write


def announced(*arguments: Any) -> list[str]:
    """Write files, and say so before."""
    os.write(1, b"writing\n")
    return write.write_files(*arguments)


def render(root: Path) -> int:
    """Render `spec.yaml` of a folder; 0 when that went well."""
    return int(pipeline.render(root / "spec.yaml", root).failed)


def main() -> None:
    """Until standard input ends."""
    pipeline.render(Path(sys.argv[1]) / "spec.yaml", Path(sys.argv[1]))
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(1, f"{os.getpid()}\n".encode())
            setattr(pipeline, "write_files", announced)  # noqa: B010  (a name that the module does not export)
            os._exit(render(Path(line.strip())))
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
