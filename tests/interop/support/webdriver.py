"""A real Chromium, driven through chromedriver by the W3C WebDriver protocol."""

import base64
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver section 12.2
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb"]
KEYS = {"tab": "\ue004", "enter": "\ue007", "escape": "\ue00c", "shift": "\ue008", "control": "\ue009",
        "end": "\ue010", "space": " "}


class WebDriverError(Exception):
    pass


class Browser:
    """One window; folder is empty and becomes its profile and home."""

    def __init__(self, folder, width=1280, height=900, flags=()):
        self.process = None
        self.session = None
        os.makedirs(folder, exist_ok=True)
        self.log = os.path.join(folder, "chromedriver.log")
        env = {**os.environ, "HOME": folder, "TMPDIR": folder, "XDG_CONFIG_HOME": folder, "XDG_CACHE_HOME": folder}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["chromedriver", "--port=0"], stdout=log, stderr=subprocess.STDOUT, env=env)
        self.base = f"http://127.0.0.1:{self._port()}"
        options = {"args": [*FLAGS, *flags, f"--user-data-dir={folder}/profile", f"--window-size={width},{height}"],
                   "binary": "/usr/bin/chromium"}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "acceptInsecureCerts": True,
            "goog:loggingPrefs": {"browser": "ALL"}, "timeouts": {"script": 10000, "pageLoad": 15000}}}})
        self.session = answer["sessionId"]
        self.narrow(width, height)

    def _port(self):
        for _ in range(100):
            with open(self.log, encoding="utf-8", errors="replace") as log:
                found = re.search(r"started successfully on port (\d+)", log.read())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise WebDriverError(f"chromedriver does not start; see {self.log}")

    def _call(self, method, path, body=None, timeout=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise WebDriverError(f"{value['error']}: {value['message'].splitlines()[0]}") from None

    def call(self, method, path, body=None):
        return self._call(method, f"/session/{self.session}{path}", body)

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def close(self):
        try:
            if self.session:
                self.call("DELETE", "")
        except (WebDriverError, OSError):
            pass
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def narrow(self, width, height):
        """The page sees a screen of this size, whatever the window can be."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 600)

    def prefer(self, **features):
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()])

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def script(self, text, *args):
        return self.call("POST", "/execute/sync", {"script": text, "args": list(args)})

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def button(self, text, within="body"):
        """The button or link that says so."""
        return self.call("POST", "/element", {
            "using": "xpath", "value": f"//{within}//*[self::button or self::a][normalize-space(.)='{text}']"})[ELEMENT]

    def click(self, element):
        self.call("POST", f"/element/{element}/click", {})

    def type(self, element, text, clear=True):
        if clear:
            self.call("POST", f"/element/{element}/clear", {})
        self.call("POST", f"/element/{element}/value", {"text": text})

    def press(self, *names):
        """Keys one after the other, where the focus is; "shift+tab" holds the first."""
        actions = []
        for name in names:
            keys = [KEYS.get(part, part) for part in name.split("+")] if name != "+" else ["+"]
            actions += [{"type": "keyDown", "value": key} for key in keys]
            actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def until(self, what, text, *args, timeout=8):
        """Waits until a script's answer is true, and returns it."""
        end = time.monotonic() + timeout
        while True:
            value = self.script(text, *args)
            if value:
                return value
            if time.monotonic() > end:
                raise WebDriverError(f"{what}: not within {timeout} s")
            time.sleep(0.05)

    def until_text(self, text, timeout=8):
        return self.until(f"the page says {text!r}", "return document.body.innerText.includes(arguments[0])", text,
                          timeout=timeout)

    def until_gone(self, text, timeout=8):
        return self.until(f"the page does not say {text!r}", "return !document.body.innerText.includes(arguments[0])",
                          text, timeout=timeout)

    def console(self):
        """What the page and the browser complained of since the last call."""
        return [entry for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        with open(path, "wb") as image:
            image.write(base64.b64decode(self.call("GET", "/screenshot")))
