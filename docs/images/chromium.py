"""A Chromium without a screen, told what to do through a pipe; needs nothing but the browser on PATH."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-pipe",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_END = b"\0"


class Chromium:
    """One page of a browser.

    Args:
        width: Of the page, in CSS pixels.
        height: Of the page, in CSS pixels.

    Attributes:
        complaints: Errors that pages wrote to their console.

    Raises:
        FileNotFoundError: If no Chromium is on PATH.
    """

    def __init__(self, width: int = 1280, height: int = 800) -> None:
        found = [path for path in map(shutil.which, _NAMES) if path]
        if not found:
            raise FileNotFoundError(f"none of {', '.join(_NAMES)} is on PATH; install one of them")
        self.complaints: list[str] = []
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        hears, self._tell = os.pipe()
        self._hear, tells = os.pipe()
        command = [
            found[0],
            *_FLAGS,
            f"--user-data-dir={self._profile.name}",
            f"--window-size={width},{height}",
        ]
        # Chromium reads from descriptor 3 and answers on 4. Other shells know descriptors of one digit only.
        words = ["bash", "-c", f'exec "$@" 3<&{hears} 4>&{tells}', "bash", *command, "about:blank"]
        self._process = subprocess.Popen(
            words, pass_fds=(hears, tells), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(hears)
        os.close(tells)
        self._rest = b""
        self._number = 0
        self._session = ""
        target = next(
            each for each in self._call("Target.getTargets")["targetInfos"] if each["type"] == "page"
        )
        attached = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")
        self._call("Runtime.enable")
        self.resize(width, height)

    def __enter__(self) -> "Chromium":
        """This browser; it ends with the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the browser and remove its profile."""
        self._process.terminate()
        self._process.wait()
        os.close(self._tell)
        os.close(self._hear)
        self._profile.cleanup()

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def open(self, url: str) -> None:
        """Go to another page; what it loads afterwards is waited for with :meth:`wait`."""
        self._call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && document.body")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited.

        Raises:
            RuntimeError: If the script fails.
        """
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript expression is true.

        Raises:
            TimeoutError: With what the page shows, if it does not become so.
        """
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                shown = self.run("document.body.innerText")
                raise TimeoutError(
                    f"not true after {seconds:g} s: {condition}. The page shows: {shown[:2000]}"
                )
            time.sleep(0.1)

    def click(self, text: str, *, within: str = "button, a, [role]") -> None:
        """Click the innermost visible element that has this text, once there is one."""
        find = (
            f"[...document.querySelectorAll({json.dumps(within)})].filter(e => e.innerText"
            f" && e.innerText.trim() === {json.dumps(text)} && e.getClientRects().length).at(-1)"
        )
        self.wait(find)
        box = self.run(
            f"(() => {{ const e = {find}; e.scrollIntoView({{block: 'nearest'}}); "
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def type(self, where: str, text: str) -> None:
        """Write into the first field that a selector finds."""
        self.run(f"document.querySelector({json.dumps(where)}).focus()")
        self._call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Write what the page shows as a PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._tell, json.dumps(asked).encode() + _END)
        while True:
            message = self._message()
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"Chromium refused {method}: {message['error']}")
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Keep what a page complains of."""
        about = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"].get("exception", {}).get("description", "")))
        if message.get("method") == "Runtime.consoleAPICalled" and about["type"] == "error":
            self.complaints.append(" ".join(str(each.get("value", "")) for each in about["args"]))

    def _message(self) -> dict[str, Any]:
        while _END not in self._rest:
            read = os.read(self._hear, 1 << 16)
            if not read:
                raise RuntimeError("Chromium ended")
            self._rest += read
        text, _, self._rest = self._rest.partition(_END)
        return dict(json.loads(text))
