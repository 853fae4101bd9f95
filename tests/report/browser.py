"""A real browser for pages: what it asked the net for, what its console said, how the page lies in a given width."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-default-apps", "--disable-extensions",
    # nothing gets out even if a page asks for it: there is no proxy at this port
    "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)

needs_browser = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")


class Visit(NamedTuple):
    """What became of a page: addresses it asked for, lines of its console, and what it was in the end."""

    requests: list[str]
    console: list[str]
    dom: str


def visit(text: str, folder: Path) -> Visit:
    """Open a page in the browser."""
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "page.html", folder / "net.json"
    path.write_text(text, encoding="utf-8")
    own = [f"--user-data-dir={folder / 'user'}", f"--log-net-log={log}", "--net-log-capture-mode=Everything"]
    done = subprocess.run(
        [str(BROWSER), *FLAGS, *own, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    said = log.read_text(encoding="utf-8")
    try:
        net = json.loads(said)
    except ValueError:  # the last bracket is missing where the browser ended in a hurry
        net = json.loads(said.rstrip().rstrip(",") + "]}")
    started = net["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    facts = [event.get("params", {}) for event in net["events"] if event["type"] == started]
    # what the browser asks for on its own behalf has no page as its initiator
    asked = [each["url"] for each in facts if "url" in each and each.get("initiator", "") != "not an origin"]
    outside = [url for url in asked if not url.startswith(("data:", path.as_uri(), "chrome:", "about:"))]
    return Visit(outside, [line for line in done.stderr.splitlines() if ":CONSOLE:" in line], done.stdout)


def measured(text: str, width: int, folder: Path) -> dict[str, float]:
    """Lay a page out in a frame of some width; return the width it takes and the sizes of its figures."""
    script = """
      const frame = document.querySelector("iframe");
      frame.onload = () => {
        const page = frame.contentDocument, root = page.documentElement;
        const wide = [...page.querySelectorAll("figure svg")].map(each => each.getBoundingClientRect());
        const small = [...page.querySelectorAll("p,td,th,dd,dt,figcaption,li,pre,small,summary")]
          .map(each => parseFloat(frame.contentWindow.getComputedStyle(each).fontSize));
        document.body.setAttribute("data-said", JSON.stringify({width: root.scrollWidth, figures: wide.length,
          narrowest: Math.min(...wide.map(each => each.width)), type: Math.min(...small)}));
      };"""
    frame = f'<iframe width="{width}" height="900" style="border:0" srcdoc="{html.escape(text)}"></iframe>'
    found = visit(f"<!DOCTYPE html><title>frame</title><body>{frame}<script>{script}</script>", folder).dom
    said = re.search(r'data-said="([^"]*)"', found)
    assert said, "the frame was never laid out"
    return dict(json.loads(html.unescape(said[1])))
