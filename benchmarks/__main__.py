"""`make bench`: every benchmark, one after the other; exit code 1 when a target is missed."""

import sys

from benchmarks import http_middleware, render_cost, scrape_latency


def main() -> int:
    """Run them all, so that nothing else of ours competes for the processor."""
    passed = [render_cost.main(), http_middleware.main() == 0]
    scrape_latency.main()
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
