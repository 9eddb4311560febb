"""Takes the pictures of docs/report.md: `python tools/report_screenshots.py REPORT.html NAME [NAME=SELECTOR ...]`.

Makes docs/images/NAME.png (desktop, first screen) and NAME-phone.png; NAME=SELECTOR is a picture of a part.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESKTOP, TELEPHONE = (1180, 980), (360, 740)


def main(report: str, name: str, *parts: str) -> None:
    """Draw one report at two widths, and the parts asked for at desktop width."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a developer's package

    IMAGES.mkdir(parents=True, exist_ok=True)
    address = Path(report).resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for size, scale, suffix in ((DESKTOP, 1, ""), (TELEPHONE, 2, "-phone")):
            width, height = size
            context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("html[data-drawn]")
            page.screenshot(path=IMAGES / f"{name}{suffix}.png")
            for part in parts if not suffix else ():
                title, _, selector = part.partition("=")
                page.locator(selector).first.screenshot(path=IMAGES / f"{title}.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
