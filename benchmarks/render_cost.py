"""CPU of a whole `mlspec render`, against importing what it is built on; and what it must not import."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROUNDS = 11
MOST = 3.0
SPEC = Path(__file__).parent.parent / "projects" / "wine.yaml"
HEAVY = ("evidently", "mlflow", "pandas", "fastapi", "numpy", "sklearn")


def main() -> bool:
    """Print the table; whether the target holds."""
    floor = [sys.executable, "-c", "import pydantic, yaml, jinja2, click"]
    _round(floor)
    rows = [_round(floor) for _ in range(ROUNDS)]
    ratio = median(r / f for r, _, f in rows)
    print("\nCPU of a whole process, seconds (median of", ROUNDS, "rounds, interleaved)")
    for name, values in zip(
        ("render projects/wine.yaml", "validate", "import the libraries"), zip(*rows, strict=True), strict=True
    ):
        print(f"  {name:<28} {median(values):.3f}")
    print(f"  render / import              {ratio:.2f}   target at most {MOST}   {'PASS' if ratio <= MOST else 'FAIL'}")
    heavy = imported_by("render") | imported_by("validate")
    print(f"  heavy libraries imported     {', '.join(sorted(heavy)) or 'none'}   {'FAIL' if heavy else 'PASS'}")
    return ratio <= MOST and not heavy


def _round(floor: list[str]) -> tuple[float, float, float]:
    """CPU of rendering into an empty folder, of validating what was rendered, and of the imports."""
    with tempfile.TemporaryDirectory() as output:
        render, validate = (
            [sys.executable, "-m", "mlspec", c, str(SPEC), "--output", output] for c in ("render", "validate")
        )
        return _cpu(render), _cpu(validate), _cpu(floor)


def imported_by(command: str) -> set[str]:
    """Which heavy libraries a command imports."""
    script = (
        "import sys, mlspec.cli as c\n"
        f"c.cli.main(['{command}', {str(SPEC)!r}, '--output', sys.argv[1]], standalone_mode=False)\n"
        f"print('heavy', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    with tempfile.TemporaryDirectory() as output:
        done = subprocess.run([sys.executable, "-c", script, output], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(not main())
