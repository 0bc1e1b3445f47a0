//! The grammar of one line.

use winnow::{
    ascii::space0,
    combinator::{alt, cut_err, delimited, eof, opt, preceded, repeat, separated, terminated},
    error::{ContextError, ErrMode, StrContext, StrContextValue},
    prelude::*,
    token::{any, one_of, take_till, take_while},
};

use super::LineFault;

type Read<T> = Result<T, ErrMode<ContextError>>;

/// A sample line taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: Option<String>,
    pub(super) labels: Vec<Label>,
    pub(super) value: f64,
    pub(super) timestamp: Option<&'a str>,
}

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Pair(String, String),
    /// A metric name in quotes, which may be any text.
    Name(String),
}

/// Reads a sample line without surrounding blanks.
pub(super) fn sample(line: &str) -> Result<Line<'_>, LineFault> {
    sample_line.parse(line).map_err(|error| {
        let column = line[..error.offset().min(line.len())].chars().count() + 1;
        let expected = error.inner().context().find_map(|context| match context {
            StrContext::Expected(value) => Some(value.to_string()),
            _ => None,
        });
        LineFault::Syntax { column, expected: expected.unwrap_or_else(|| "a sample".to_owned()) }
    })
}

/// The name after `# HELP` and the text after it.
pub(super) fn family_name(text: &str) -> Option<(String, &str)> {
    let (rest, name) = alt((quoted, metric_name.map(str::to_owned))).parse_peek(text).ok()?;
    Some((name, rest.trim_start_matches([' ', '\t'])))
}

/// Help with its two escapes decoded.
pub(super) fn help_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some(escaped @ ('\\' | '"')) => out.push(escaped),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn sample_line<'a>(input: &mut &'a str) -> Read<Line<'a>> {
    let name = opt(metric_name).parse_next(input)?.map(str::to_owned);
    let labels = if name.is_some() {
        opt(preceded(space0, labels)).parse_next(input)?.unwrap_or_default()
    } else {
        expect(labels, "a metric name").parse_next(input)?
    };
    blanks.parse_next(input)?;
    let value = expect(number, "a value").parse_next(input)?;
    let timestamp = opt(preceded(space1_or_end, signed)).parse_next(input)?;
    opt(exemplar).parse_next(input)?;
    space0.parse_next(input)?;
    expect(eof, "the end of the line").parse_next(input)?;
    Ok(Line { name, labels, value, timestamp })
}

fn expect<'a, O>(
    parser: impl Parser<&'a str, O, ErrMode<ContextError>>,
    what: &'static str,
) -> impl Parser<&'a str, O, ErrMode<ContextError>> {
    cut_err(parser).context(StrContext::Expected(StrContextValue::Description(what)))
}

/// Blanks may be left out after `}`, and nowhere else, but no reader insists.
fn blanks(input: &mut &str) -> Read<()> {
    space0.void().parse_next(input)
}

fn space1_or_end(input: &mut &str) -> Read<()> {
    take_while(1.., [' ', '\t']).void().parse_next(input)
}

fn metric_name<'a>(input: &mut &'a str) -> Read<&'a str> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let other = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    (one_of(first), take_while(0.., other)).take().parse_next(input)
}

fn label_name<'a>(input: &mut &'a str) -> Read<&'a str> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let other = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (one_of(first), take_while(0.., other)).take().parse_next(input)
}

/// `{a="b",c="d",}`; the last comma is legal.
fn labels(input: &mut &str) -> Read<Vec<Label>> {
    let list =
        terminated(separated(0.., label, (space0, ',', space0)), (opt((space0, ',')), space0));
    delimited(('{', space0), list, expect('}', "`,` or `}` after a label")).parse_next(input)
}

fn label(input: &mut &str) -> Read<Label> {
    if input.starts_with('"') {
        let name = expect(quoted, "a quoted name").parse_next(input)?;
        let value = opt(preceded((space0, '=', space0), expect(quoted, "a quoted label value")))
            .parse_next(input)?;
        return Ok(match value {
            Some(value) => Label::Pair(name, value),
            None => Label::Name(name),
        });
    }
    let name = label_name.parse_next(input)?;
    let value = preceded(
        (space0, expect('=', "`=` after a label name"), space0),
        expect(quoted, "a quoted label value, with only \\\\, \\\" and \\n escaped"),
    )
    .parse_next(input)?;
    Ok(Label::Pair(name.to_owned(), value))
}

/// A quoted text with its three escapes decoded.
fn quoted(input: &mut &str) -> Read<String> {
    let text = repeat(0.., fragment).fold(String::new, |mut text, fragment| {
        text.push_str(fragment);
        text
    });
    delimited('"', text, '"').parse_next(input)
}

fn fragment<'a>(input: &mut &'a str) -> Read<&'a str> {
    alt((
        take_till(1.., ['"', '\\']),
        preceded(
            '\\',
            any.verify_map(|c| match c {
                'n' => Some("\n"),
                '\\' => Some("\\"),
                '"' => Some("\""),
                _ => None,
            }),
        ),
    ))
    .parse_next(input)
}

/// A Go float in decimal, `NaN` or an infinity.
fn number(input: &mut &str) -> Read<f64> {
    word.verify_map(|word: &str| word.parse().ok()).parse_next(input)
}

/// A timestamp: digits, possibly signed, possibly with a fraction.
fn signed<'a>(input: &mut &'a str) -> Read<&'a str> {
    word.verify(|word: &str| {
        word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
            && word.bytes().any(|byte| byte.is_ascii_digit())
    })
    .parse_next(input)
}

fn word<'a>(input: &mut &'a str) -> Read<&'a str> {
    take_while(1.., |c: char| !matches!(c, ' ' | '\t' | '#' | '{' | '}' | ',' | '"'))
        .parse_next(input)
}

/// An exemplar of OpenMetrics, `# {trace_id="1"} 0.5 1700000000.1`: read over.
fn exemplar(input: &mut &str) -> Read<()> {
    (space0, '#', space0, labels, space0, number, opt((space1_or_end, signed)))
        .void()
        .parse_next(input)
}
