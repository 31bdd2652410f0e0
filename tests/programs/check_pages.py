"""check_pages.py PAGE...: opens each page in a headless Chromium, 400, 760 and 1200 pixels wide,
light and dark. Nothing may reach beyond the page but what lies in a box that scrolls, no text may
be cut by its box or run out of it, the last column of a confusion matrix must be in sight, and
nothing may be asked for but the page itself. Says what it found, and ends with 1 where there was
something; with 77 and a line where there is no browser."""
import pathlib
import sys

import browser

WIDTHS = ((400, True), (760, False), (1200, False))

# Returns a list of faults. A rectangle is in CSS pixels; fractions come from rounding.
MEASURE = """(() => {
    const width = innerWidth, faults = [], page = document.body || document.documentElement;
    const name = e => e.tagName.toLowerCase() + (e.getAttribute('class') ?
        '.' + e.getAttribute('class').replace(/ /g, '.') : '') + ' "' +
        e.textContent.trim().slice(0, 30) + '"';
    const scrolls = e => /auto|scroll/.test(getComputedStyle(e).overflowX);
    const inScroller = e => {
        for (let a = e.parentElement; a && a !== page; a = a.parentElement)
            if (scrolls(a)) return true;
        return false;
    };
    if (document.documentElement.scrollWidth > width)
        faults.push('the page is ' + document.documentElement.scrollWidth + ' wide');
    for (const e of page.querySelectorAll('*')) {
        const box = e.getBoundingClientRect(), style = getComputedStyle(e);
        if (!box.width && !box.height) continue;
        if ((box.right > width + 0.6 || box.left < -0.6) && !inScroller(e) && !e.closest('svg svg'))
            faults.push(name(e) + ' reaches from ' + box.left + ' to ' + box.right);
        if (e instanceof SVGElement) {
            const drawing = e.ownerSVGElement;
            if (!drawing || e.tagName != 'text') continue;
            const frame = drawing.getBoundingClientRect();
            if (box.left < frame.left - 0.6 || box.right > frame.right + 0.6 ||
                box.top < frame.top - 0.6 || box.bottom > frame.bottom + 0.6)
                faults.push(name(e) + ' reaches out of its drawing');
            continue;
        }
        if (/hidden|clip/.test(style.overflowX + style.overflowY) && e.textContent.trim() &&
            (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1))
            faults.push(name(e) + ' is cut: ' + e.scrollWidth + ' in ' + e.clientWidth);
        /* Text that runs out of the box of a cell into the next one. */
        if (/^(TD|TH|B|SPAN|SMALL)$/.test(e.tagName) && style.display != 'inline' &&
            style.overflowX == 'visible' && e.scrollWidth > e.clientWidth + 1.5 && e.clientWidth)
            faults.push(name(e) + ' runs over: ' + e.scrollWidth + ' in ' + e.clientWidth);
        if (style.writingMode.startsWith('vertical') && box.height > 220)
            faults.push(name(e) + ' is ' + box.height + ' high');
    }
    for (const matrix of document.querySelectorAll('.matrix')) {
        const box = matrix.getBoundingClientRect();
        if (box.width && box.right > matrix.parentElement.getBoundingClientRect().right + 0.6)
            faults.push('the last column of a matrix is out of sight: ' + box.right);
    }
    for (const picture of document.images)
        if (!picture.complete || !picture.naturalWidth) faults.push('a picture is broken');
    /* A style sheet that cannot be read leaves no width. */
    if (document.body && getComputedStyle(document.body).maxWidth == 'none')
        faults.push('the page has no style');
    if (document.querySelector('script')) faults.push('there is a script');
    return faults;
})()"""


def check(tab, page):
    address = pathlib.Path(page).resolve().as_uri()
    faults = []
    for width, phone in WIDTHS:
        for dark in (False, True):
            tab.resize(width, phone=phone, dark=dark)
            tab.open(address)
            faults += [f"{page} at {width}: {fault}" for fault in tab.evaluate(MEASURE)]
    others = {r for r in tab.requests if r not in (address, "about:blank") and
              not r.startswith("data:")}
    faults += [f"{page} asks for {other}" for other in sorted(others)]
    tab.requests.clear()
    return sorted(set(faults))


def main(pages):
    program = browser.find()
    if not program:
        print("no Chromium here")
        return 77
    faults = []
    with browser.Browser(program) as tab:
        for page in pages:
            faults += check(tab, page)
    print("\n".join(faults[:40]) or f"{len(pages)} pages at {len(WIDTHS)} widths")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
