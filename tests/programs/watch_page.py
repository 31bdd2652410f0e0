"""watch_page.py PAGE PID: opens the report of a run that goes on in a headless Chromium, ends the
run by SIGINT to PID, and waits until the page has reloaded itself. The run must say that it was
interrupted, and the page must not reload itself once more. 77 where there is no browser."""
import os
import pathlib
import signal
import sys

import browser

STATE = "document.querySelector('.state').innerText"
RELOADS = "document.querySelector('meta[http-equiv=refresh]') != null"


def main(page, process):
    program = browser.find()
    if not program:
        return 77
    with browser.Browser(program) as tab:
        tab.open(pathlib.Path(page).resolve().as_uri())
        assert tab.evaluate(STATE).startswith("Running"), tab.evaluate(STATE)
        assert tab.evaluate(RELOADS)
        os.kill(process, signal.SIGINT)
        count = 0
        while tab.evaluate(RELOADS):
            tab.reloaded()
            count += 1
        assert count, "the page has not reloaded itself"
        assert tab.evaluate(STATE).startswith("Interrupted"), tab.evaluate(STATE)
        print(f"reloaded {count} time{'s' if count > 1 else ''}; it now says:",
              tab.evaluate(STATE).split("\n")[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
