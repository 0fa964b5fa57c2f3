//! The report in a real browser, narrow and wide, by day and by night: `make test-browser`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

mod devtools;
#[path = "../made_run/mod.rs"]
mod made_run;

use std::path::{Path, PathBuf};

use devtools::Browser;
use serde_json::Value;

const WIDTHS: [u32; 2] = [360, 1280];

/// Everything that is wrong with how a page looks, in words. What is folded up is unfolded first.
const FAULTS: &str = r#"(async () => {
    document.querySelectorAll('details').forEach(details => details.open = true);
    await Promise.allSettled([...document.images].map(image => image.decode()));
    const faults = [];
    const width = document.documentElement.clientWidth;
    const beyond = (inner, outer) => inner.left < outer.left - 1 || inner.right > outer.right + 1;
    if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
    for (const image of document.images)
        if (!image.complete || image.naturalWidth === 0) faults.push(`broken image: ${image.alt}`);
    for (const element of document.querySelectorAll('body *')) {
        const scrolls = element.closest('.scroll, pre');
        const place = element.getBoundingClientRect();
        if (place.width > 0 && (!scrolls || scrolls === element) && beyond(place, { left: 0, right: width }))
            faults.push(`overflows: ${element.outerHTML.slice(0, 100)}`);
    }
    for (const text of document.querySelectorAll('.charts svg text')) {
        const place = text.getBoundingClientRect(), chart = text.closest('svg').getBoundingClientRect();
        if (beyond(place, chart) || place.top < chart.top - 1 || place.bottom > chart.bottom + 1)
            faults.push(`cut off in a chart: ${text.textContent}`);
        if (place.height < 10) faults.push(`too small to read: ${text.textContent}`);
    }
    return faults;
})()"#;

/// Faults of a page in a window of a width, and what it asked for beside itself.
fn faults(browser: &mut Browser, page: &Path) -> Vec<String> {
    let mut faults: Vec<String> = match browser.evaluate(FAULTS) {
        Value::Array(faults) => faults.iter().map(|fault| fault.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other}"),
    };
    let itself = format!("file://{}", page.display());
    let asked = browser.requests().into_iter().filter(|url| !url.starts_with("data:") && *url != itself);
    faults.extend(asked.map(|url| format!("asks for {url}")));
    faults
}

/// Looks at a page at every width, by day and by night, and keeps pictures of it.
fn look_at(page: &Path, name: &str) {
    let screenshots =
        std::env::var_os("VIPRA_SCREENSHOTS").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    std::fs::create_dir_all(&screenshots).unwrap();
    let mut browser = Browser::start();
    for width in WIDTHS {
        for is_dark in [false, true] {
            browser.open(page, width, is_dark);
            std::fs::write(
                screenshots.join(format!("{name}-{width}-{}.png", if is_dark { "dark" } else { "light" })),
                browser.screenshot(),
            )
            .unwrap();
            let found = faults(&mut browser, page);
            assert!(found.is_empty(), "{} at {width} pixels: {found:#?}", page.display());
        }
    }
    let colors = "getComputedStyle(document.documentElement).colorScheme";
    assert_eq!(browser.evaluate(colors), "light dark");
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_report_is_whole_and_fits_narrow_and_wide_windows() {
    let folder = tempfile::tempdir().unwrap();
    made_run::make(folder.path());
    look_at(&vipra_report::write(folder.path()).unwrap(), "made-run");
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn a_report_of_next_to_nothing_fits_too() {
    let folder = tempfile::tempdir().unwrap();
    made_run::write(folder.path(), "config.toml", "");
    look_at(&vipra_report::write(folder.path()).unwrap(), "empty-run");
}

/// Pages that are there already, such as that of `make demo`: VIPRA_PAGES, with spaces between them.
#[test]
#[ignore = "needs Chromium: make test-browser"]
fn pages_that_are_named_are_whole_and_fit() {
    let pages = std::env::var("VIPRA_PAGES").unwrap_or_default();
    for (at, page) in pages.split_whitespace().enumerate() {
        look_at(&std::fs::canonicalize(page).unwrap(), &format!("page-{at}"));
    }
}

/// The checks above see what they are to see.
#[test]
#[ignore = "needs Chromium: make test-browser"]
fn faults_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("bad.html");
    let body = r#"<img alt="torn" src="data:image/png;base64,AAAA"><div style="width:2000px">wide</div>
        <img alt="elsewhere" src="other.png"><div class="charts"><svg viewBox="0 0 340 20"><text x="335" y="11">long</text></svg></div>"#;
    std::fs::write(&page, body).unwrap();
    let mut browser = Browser::start();
    browser.open(&page, 360, false);
    let found = faults(&mut browser, &page).join("\n");
    for part in [
        "broken image: torn",
        "broken image: elsewhere",
        "overflows: <div style",
        "cut off in a chart: long",
        "asks for file://",
    ] {
        assert!(found.contains(part), "no {part:?} in\n{found}");
    }
}
