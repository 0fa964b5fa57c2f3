//! What the pages of vipra share: one style, pictures and curves within the page, nothing beside it.

mod chart;
mod marks;
mod number;
mod picture;
mod style;
mod wilson;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use chart::{Chart, Role, Series};
pub use marks::{bars, interval};
pub use number::{percent, short, two_decimals};
pub use picture::{Error, Picture};
pub use wilson::wilson;

/// A whole page. Its body begins with the title as its heading.
pub fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // A browser asks for one by itself, and nothing is to be asked for.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(style::STYLE)) }
            }
            body { h1 { (title) } (body) }
        }
    };
    page.into_string()
}

/// A table that scrolls by itself where the page is narrower than it.
pub fn table(header: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll tabindex="0" { table {
            @if !header.is_empty() { thead { tr { @for name in header { th { (name) } } } } }
            tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::{page, table};

    #[test]
    fn a_page_is_escaped_and_asks_for_nothing() {
        let page = page("a < b", &table(&["x"], &[vec![html! { "<script>" }]]));
        assert!(page.contains("<title>a &lt; b</title>") && page.contains("<td>&lt;script&gt;</td>"), "{page}");
        assert!(!page.contains("http") && !page.contains("<script"), "{page}");
    }
}
