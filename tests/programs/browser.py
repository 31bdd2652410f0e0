"""A headless Chromium, driven through a pair of pipes by the DevTools protocol. Nothing here waits
for a time: every wait is for an answer or an event, and ends if the browser does."""
import json
import os
import shutil
import subprocess
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find():
    """Returns the path of a browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A context: a browser with one tab. `requests` are the addresses that its pages asked for."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="fcnn-browser-")
        self.log = open(os.path.join(self.home, "log"), "w+b")
        command_read, self.commands = os.pipe()
        self.answers, answer_write = os.pipe()

        def place_pipes():  # where the browser looks for them: 3 and 4
            first, second = os.dup(command_read), os.dup(answer_write)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [self.program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--no-first-run", "--hide-scrollbars", "--user-data-dir=" + self.home,
             "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False,
            preexec_fn=place_pipes, env={**os.environ, "HOME": self.home, "TZ": "UTC"})
        os.close(command_read)
        os.close(answer_write)
        self.number, self.received, self.events, self.requests = 0, b"", [], []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(domain + ".enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(self, *_):
        os.close(self.commands)  # it ends when nobody can tell it anything
        self.process.kill()
        self.process.wait()
        os.close(self.answers)
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def receive(self):
        """Returns the next message."""
        while b"\0" not in self.received:
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                self.log.seek(0)
                raise EOFError("the browser has ended: " + self.log.read().decode(errors="replace"))
            self.received += piece
        message, self.received = self.received.split(b"\0", 1)
        message = json.loads(message)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        return message

    def call(self, method, **parameters):
        """Returns a method's result; events that come meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self.commands, left):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def loaded(self, known=None):
        """Waits until a page is loaded: that of a loader, or else the next one of any other than
        the current. Returns the loader."""
        while True:
            event = self.events.pop(0) if self.events else self.receive()
            if event.get("method") != "Page.lifecycleEvent":
                continue
            loader = event["params"]["loaderId"]
            if event["params"]["name"] == "load" and loader == (known or loader) and (
                    known or loader != self.loader):
                return loader

    def resize(self, width, height=900, scale=1, phone=False, dark=False):
        """A phone keeps to the page's <meta name="viewport">."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, address):
        self.loader = self.loaded(self.call("Page.navigate", url=address)["loaderId"])

    def reloaded(self):
        """Waits until the page has been replaced by itself."""
        self.loader = self.loaded()

    def evaluate(self, expression):
        """Returns the value of an expression of JavaScript on the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def picture(self):
        """Returns the whole page as a PNG file, in base64."""
        return self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip=self.extent())["data"]

    def extent(self):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
