"""A headless Chromium for tests that look at pages, driven over two pipes with its DevTools protocol:
no port, no driver, no further library. It remembers what a page complained about and asked for."""

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--remote-debugging-pipe",
)
# Puts the protocol's two pipes where Chromium looks for them, and becomes it.
BECOME = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Seconds for one answer: a page of 50,000 rows takes some on a busy machine.
PATIENCE = 120


def chromium():
    """The browser's path. Without one the test says what to install; where everything must run,
    as in continuous integration, it fails."""
    found = os.environ.get("CHROMIUM_BIN") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        told = "no Chromium: install it (Debian: apt install chromium), or name one in CHROMIUM_BIN"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return found


class Page:
    """One page in a browser of its own."""

    def __init__(self, directory, scripts=True, width=1280, height=900, dark=False):
        profile = tempfile.mkdtemp(dir=directory, prefix="chromium-")
        commands, to_browser = os.pipe()
        from_browser, answers = os.pipe()
        self.browser = subprocess.Popen(
            [sys.executable, "-c", BECOME, str(commands), str(answers),
             chromium(), *QUIET, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(commands, answers), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"HOME": profile, "PATH": os.environ["PATH"], "TZ": "UTC"},
        )
        os.close(commands)
        os.close(answers)
        self.pipe = (from_browser, to_browser)
        self.buffer = b""
        self.numbers = itertools.count(1)
        self.session = None
        self.events = []
        targets = self.ask("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)

    def read(self, end):
        """The next message of the browser."""
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.pipe[0]], [], [], max(0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            more = os.read(self.pipe[0], 1 << 20)
            assert more, "Chromium ended"
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **parameters):
        """One command and its answer; what happened meanwhile is remembered."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.pipe[1], json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self.read(end)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def open(self, address):
        """Loads a page to its end."""
        self.events.clear()
        self.ask("Page.navigate", url=address)
        end = time.monotonic() + PATIENCE
        while not any(each.get("method") == "Page.loadEventFired" for each in self.events):
            self.events.append(self.read(end))
        return self

    def value(self, expression):
        """What an expression of JavaScript is in the page."""
        done = self.ask("Runtime.evaluate", expression=expression, returnByValue=True,
                        awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key, code=None, text=None):
        """A key, down and up, as a keyboard sends it."""
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": code or 0}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **shared, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **shared)

    def type(self, text):
        """Text into what has the focus."""
        self.ask("Input.insertText", text=text)

    def complaints(self):
        """Errors and warnings of the console, exceptions, and violations of the page's policy."""
        self.ask("Runtime.evaluate", expression="1")
        found = []
        for event in self.events:
            method, told = event.get("method"), event.get("params", {})
            if method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                found.append(told["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
                found.append(str(told["args"]))
            elif method == "Runtime.exceptionThrown":
                found.append(str(told["exceptionDetails"]))
            elif method == "Audits.issueAdded":
                found.append(told["issue"]["code"])
        return found

    def requests(self):
        """What was asked for beside the page itself and the text in it."""
        asked = [each["params"] for each in self.events
                 if each.get("method") == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in asked
                if each["type"] != "Document" and not each["request"]["url"].startswith("data:")]

    def end(self):
        """Ends the browser."""
        for pipe in self.pipe:
            os.close(pipe)
        try:
            self.browser.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.browser.kill()
            self.browser.wait()
