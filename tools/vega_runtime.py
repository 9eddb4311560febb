"""Writes the Vega runtime that reports carry: Vega, Vega-Lite and Vega-Embed in one script, out of vl-convert.

To be run after the version of vl-convert in the lock file has changed; a test compares the two. Bundling takes six
seconds, too long for every report.
"""

from __future__ import annotations

from pathlib import Path

TARGET = Path(__file__).parents[1] / "harness/src/loadfleet/results/report/assets/vega.js"


def runtime() -> str:
    """The script, with a line on what it is."""
    import vl_convert  # noqa: PLC0415 - only where reports are built

    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("the bundle cannot stand in a page: it would end its own script")
    versions = f"Vega {vl_convert.get_vega_version()}, Vega-Lite {vl_convert.get_vegalite_versions()[-1]}, "
    return f"/* {versions}Vega-Embed {vl_convert.get_vega_embed_version()}: BSD-3-Clause; see NOTICE. */\n{script}\n"


if __name__ == "__main__":
    TARGET.write_text(runtime(), encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
