//! JSON paths, the part of RFC 9535 that names places: `$.a.b`, `$['a']`, `$.a[3]`, `$.a[*].b`, `$..c`.

/// One step down, or any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Name(String),
    Index(usize),
    Any,
    /// `..name`: a member of this name at any depth.
    Below(String),
}

/// A path as it was written, and its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    pub(crate) text: String,
    segments: Vec<Segment>,
}

/// Where a walk over a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

impl JsonPath {
    /// Reads a path; an error says what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').ok_or("a JSON path begins with `$`")?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (segment, left) = if let Some(below) = rest.strip_prefix("..") {
                let (name, left) = name(below)?;
                (Segment::Below(name), left)
            } else if let Some(member) = rest.strip_prefix(".*") {
                (Segment::Any, member)
            } else if let Some(member) = rest.strip_prefix('.') {
                let (name, left) = name(member)?;
                (Segment::Name(name), left)
            } else if let Some(bracket) = rest.strip_prefix('[') {
                bracketed(bracket)?
            } else {
                return Err(format!("`{rest}` is no step of a JSON path"));
            };
            segments.push(segment);
            rest = left;
        }
        if segments.is_empty() {
            return Err("`$` alone is the whole document".to_owned());
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// Whether it names this place.
    pub(crate) fn names(&self, place: &[Step]) -> bool {
        matches(&self.segments, place)
    }
}

fn matches(segments: &[Segment], place: &[Step]) -> bool {
    // Which lengths of `segments` are used up by the steps so far: no backtracking over `..`.
    let mut used = vec![false; segments.len() + 1];
    used[0] = true;
    for step in place {
        let mut next = vec![false; segments.len() + 1];
        for (at, segment) in segments.iter().enumerate().filter(|(at, _)| used[*at]) {
            let fits = match (segment, step) {
                (Segment::Name(name), Step::Name(found)) => name == found,
                (Segment::Below(name), step) => {
                    next[at] = true;
                    matches!(step, Step::Name(found) if found == name)
                }
                (Segment::Index(index), Step::Index(found)) => index == found,
                (Segment::Any, _) => true,
                _ => false,
            };
            next[at + 1] |= fits;
        }
        used = next;
    }
    used[segments.len()]
}

fn name(text: &str) -> Result<(String, &str), String> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.contains(['*', ']', '\'', '"']) {
        return Err(format!("`{text}` does not begin with the name of a member"));
    }
    Ok((name.to_owned(), rest))
}

fn bracketed(text: &str) -> Result<(Segment, &str), String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (name, rest) = quoted.split_once("']").ok_or("a `['` is not closed by `']`")?;
        return Ok((Segment::Name(name.to_owned()), rest));
    }
    let (inside, rest) = text.split_once(']').ok_or("a `[` is not closed by `]`")?;
    if inside == "*" {
        return Ok((Segment::Any, rest));
    }
    let index = inside.parse().map_err(|_| format!("`[{inside}]` is neither a number nor `*`"))?;
    Ok((Segment::Index(index), rest))
}
