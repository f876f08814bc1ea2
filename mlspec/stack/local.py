"""The local engine: `up`, `down`, `status` and `logs` for a stack of real programs, supervised on this machine."""

from mlspec.stack.plan import Launch, Limits, Plan, Port, Program
from mlspec.stack.report import Reporter, StackError, Terminal
from mlspec.stack.show import ProgramStatus, logs, status
from mlspec.stack.start import up
from mlspec.stack.stop import down

__all__ = [
    "Launch",
    "Limits",
    "Plan",
    "Port",
    "Program",
    "ProgramStatus",
    "Reporter",
    "StackError",
    "Terminal",
    "down",
    "logs",
    "status",
    "up",
]
