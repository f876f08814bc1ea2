"""A small HTTP server: `server.py PORT [OPTION…]`.

Options: `worker` (a grandchild in its group), `daemon` (a grandchild in a session of its own, whose parent has ended),
`stubborn` (ignores SIGTERM), `chatty` (a long line every millisecond), `broken` (exits at once, saying why).
Paths: /crash ends it with code 3; /pids lists its own and its grandchildren's pids; /slow takes half a second;
/status/503 answers so; POST /-/reload answers as the file `reload` in its working directory says.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PIDS = [os.getpid()]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 200
        if self.path == "/crash":
            os._exit(3)
        if self.path == "/slow":
            time.sleep(0.5)
        if self.path.startswith("/status/"):
            status = int(self.path.rsplit("/", 1)[1])
        self._answer(status, " ".join(map(str, PIDS)) if self.path == "/pids" else os.environ.get("GREETING", "hello"))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._answer(200, self.rfile.read(length).decode())

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def daemon() -> int:
    code = (
        "import subprocess, sys;"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True,"
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "sys.stdout.write(str(child.pid))"
    )
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def chatter() -> None:
    while True:
        sys.stdout.write("x" * 2000 + "\n")
        sys.stdout.flush()
        time.sleep(0.001)


def main(port: int, options: list[str]) -> None:
    sys.stdout.write(f"started with {options}\n")
    if "broken" in options:
        sys.exit("ImportError: no module named wine")
    if "worker" in options:
        PIDS.append(subprocess.Popen([sys.executable, "-c", SLEEP]).pid)
    if "daemon" in options:
        PIDS.append(daemon())
    if "stubborn" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "chatty" in options:
        threading.Thread(target=chatter, daemon=True).start()
    if "once" in options:
        if Path("was-here").exists():
            sys.exit("second start refused")
        Path("was-here").touch()
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
