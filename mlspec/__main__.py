"""The entry point, `mlspec` and `python -m mlspec`."""

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line. What a render builds lives to its end: collecting garbage meanwhile only takes time."""
    gc.disable()
    from mlspec import cli  # after that, since a third of what is built is built by importing

    cli.main()


if __name__ == "__main__":
    main()
