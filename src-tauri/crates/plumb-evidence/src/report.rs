//! A page for people: one file, no script, nothing fetched, everything from outside escaped.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Longest text of one cell, in characters.
const CELL_CHARS_MAX: usize = 2_000;
/// Most rows of one table; the rest is counted, and stands in the file the section names.
const ROWS_MAX: usize = 2_000;

/// What the page says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub title: String,
    pub lead: String,
    pub sections: Vec<Section>,
}

/// One part of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    pub title: String,
    pub text: String,
    pub pictures: Vec<Picture>,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A picture as SVG, with what it shows in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub svg: String,
    pub words: String,
}

/// No source of anything but the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                      form-action 'none'";
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;\
max-width:72rem;margin:2rem auto;padding:0 1.5rem}h1{font-size:1.6rem}h2{font-size:1.15rem;\
margin-top:2.2rem;border-bottom:1px solid #c9d1d9}table{border-collapse:collapse;width:100%;\
font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .7rem .3rem 0;\
border-bottom:1px solid #e3e7eb;vertical-align:top;overflow-wrap:anywhere}img{max-width:100%}\
figure{margin:1rem 0}figcaption{color:#57606a}";

/// The page as HTML.
pub fn html(page: &Page) -> String {
    let title = escaped(&page.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-\
         Security-Policy\" content=\"{POLICY}\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&page.lead)
    );
    for section in &page.sections {
        let _ = writeln!(out, "<section>\n<h2>{}</h2>", escaped(&section.title));
        if !section.text.is_empty() {
            let _ = writeln!(out, "<p>{}</p>", escaped(&section.text));
        }
        for picture in &section.pictures {
            let words = escaped(&picture.words);
            // As an image nothing in it can run, whatever it was made of.
            let data = STANDARD.encode(&picture.svg);
            let _ = writeln!(
                out,
                "<figure><img alt=\"{words}\" src=\"data:image/svg+xml;base64,{data}\">\
                 <figcaption>{words}</figcaption></figure>"
            );
        }
        table(&mut out, section);
        out.push_str("</section>\n");
    }
    out.push_str("</html>\n");
    out
}

fn table(out: &mut String, section: &Section) {
    if section.rows.is_empty() {
        return;
    }
    out.push_str("<table>\n<thead><tr>");
    for column in &section.columns {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in section.rows.iter().take(ROWS_MAX) {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
    if let Some(more) = section.rows.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(out, "<p>and {more} more</p>");
    }
}

/// Text that is only text: markup escaped, and so is what turns or hides the text around it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(CELL_CHARS_MAX) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || is_hidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Marks that change the direction of text, or have no width.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
