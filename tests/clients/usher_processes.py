"""Usher's own processes for tests with other people's clients: started from the built binary on
free ports, ended by their ids. USHER_BIN names the binary; target/debug/usher when it is absent."""

import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
USHER = os.environ.get("USHER_BIN", str(ROOT / "target" / "debug" / "usher"))
GRPCURL = str(ROOT / ".tools" / "venv" / "bin" / "grpcurl")
# As `.ci/test` installs it.
BUF = os.environ.get(
    "BUF_BIN", str(ROOT / ".tools" / "buf" / "node_modules" / ".bin" / "buf")
)
UNLIMITED = {
    "sso_admin_rate_per_second": None,
    "identity_store_rate_per_second": None,
    "odd_page_rate": 0.0,
}
FAST = "[budget]\nsso_admin_per_second = 1000\nidentity_store_per_second = 1000\nburst = 1000\n"


def clean_environment(home):
    """The environment without anything of AWS, of Usher or of proxies in it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "USHER_")) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "HOME": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Process:
    """A command that goes on; its standard output is read line by line."""

    def __init__(self, environment, *arguments, cwd=None):
        self.process = subprocess.Popen(
            [USHER, *map(str, arguments)],
            env=environment,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def line(self, pattern):
        """Reads on to a line that fits and answers the match."""
        read = []
        for line in self.process.stdout:
            read.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no line fits {pattern!r} among {read}")

    def end(self, by=signal.SIGTERM):
        """Sends a signal and answers the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            return self.process.wait(timeout=30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()


class Stack:
    """A simulator, and a server on it with a data directory of its own."""

    def __init__(self, directory, settings=None, arguments=()):
        self.directory = directory
        self.environment = clean_environment(directory)
        settings = json.dumps(UNLIMITED | (settings or {}))
        self.simulator = Process(self.environment, "simulate", "--settings", settings, *arguments)
        for _ in range(5):
            found = self.simulator.line(r"^export (\w+)=(\S+)")
            self.environment[found[1]] = found[2]
        self.data = directory / "data"
        self.config = directory / "usher.toml"
        self.config.write_text(FAST)
        self.server = None

    def serve(self):
        """Starts the server and answers its address."""
        self.server = Process(
            self.environment, "serve", "--dev", "--listen", "127.0.0.1:0",
            "--data-dir", self.data, "--config", self.config,
        )
        self.address = self.server.line(r"^listening on (\S+)$")[1]
        return self.address

    def run(self, *arguments, timeout=60, **more):
        """Runs a command of Usher to its end."""
        return subprocess.run(
            [USHER, *map(str, arguments)],
            env=self.environment | more,
            cwd=self.directory,
            capture_output=True,
            timeout=timeout,
        )

    def token(self, subject="alice"):
        done = self.run("token", "--data-dir", self.data, "--subject", subject)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def control(self, method, path, body=None):
        """Turns the simulator's knobs."""
        request = urllib.request.Request(
            f"{self.environment['AWS_ENDPOINT_URL']}/_control/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as reply:
            return json.load(reply)

    def fault(self, operation, kind, **fields):
        action = {"kind": kind} | fields
        self.control("POST", "faults", {"operation": operation, "action": action})

    def writes(self):
        """Calls in the simulator's log that change something."""
        calls = self.control("GET", "log")["calls"]
        verbs = ("Create", "Delete", "Put", "Update")
        return [each["operation"] for each in calls if each["operation"].startswith(verbs)]

    def end(self):
        codes = [self.server.end()] if self.server else []
        codes.append(self.simulator.end())
        assert codes == [0] * len(codes)
