//! A text the user wrote, and places in it.

use asof_model::error::Place;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// A file of definitions, as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name, for messages.
    pub file: String,
    /// Its content.
    pub text: String,
}

/// A source with its lines found, so that a span becomes a [`Place`] without reading it again.
#[derive(Debug)]
pub(crate) struct Text {
    source: Source,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

impl Text {
    pub(crate) fn new(source: Source) -> Self {
        let ends = source.text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Text { source, lines }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.source.text
    }

    /// The place of a span. One that runs over several lines is underlined to the end of its first.
    pub(crate) fn place(&self, span: Span) -> Place {
        let Location { line, column } = span.start;
        let text = self.line(line);
        let length = text.chars().count() as u64;
        let end = if span.end.line == line { span.end.column } else { length + 1 };
        Place {
            file: self.source.file.clone(),
            line: line.max(1),
            column: column.max(1),
            text: text.to_owned(),
            width: end.saturating_sub(column).max(1),
        }
    }

    /// `file:line:column`.
    pub(crate) fn pointer(&self, span: Span) -> String {
        format!("{}:{}:{}", self.source.file, span.start.line.max(1), span.start.column.max(1))
    }

    /// What a span covers.
    pub(crate) fn slice(&self, span: Span) -> &str {
        let start = self.offset(span.start);
        &self.as_str()[start..self.offset(span.end).max(start)]
    }

    fn line(&self, line: u64) -> &str {
        let index = (line.max(1) - 1) as usize;
        let start = self.lines.get(index).copied().unwrap_or(self.as_str().len());
        let end = self.lines.get(index + 1).copied().unwrap_or(self.as_str().len());
        self.as_str()[start..end].trim_end_matches(['\n', '\r'])
    }

    fn offset(&self, location: Location) -> usize {
        let start = self.lines.get((location.line.max(1) - 1) as usize).copied().unwrap_or(self.as_str().len());
        let before = (location.column.max(1) - 1) as usize;
        let line = &self.as_str()[start..];
        start + line.char_indices().nth(before).map_or(line.len(), |(i, _)| i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, from: (u64, u64), to: (u64, u64), expected: (&str, u64)) {
        let text = Text::new(Source { file: "a.sql".into(), text: text.into() });
        let place = text.place(Span::new(from.into(), to.into()));
        assert_eq!((place.text.as_str(), place.width), expected);
    }

    #[test]
    fn a_span_becomes_its_line_and_width() {
        check("one\ntwo three\n", (2, 5), (2, 10), ("two three", 5));
        check("one\r\ntwo\r\n", (1, 1), (2, 2), ("one", 3));
        check("größe x", (1, 7), (1, 8), ("größe x", 1));
        check("", (0, 0), (0, 0), ("", 1));
        check("a", (9, 9), (9, 9), ("", 1));
    }

    #[test]
    fn a_span_covers_text_across_lines() {
        let text = Text::new(Source { file: "a.sql".into(), text: "a\nöö b".into() });
        assert_eq!(text.slice(Span::new((2, 1).into(), (2, 3).into())), "öö");
        assert_eq!(text.slice(Span::new((1, 1).into(), (2, 5).into())), "a\nöö b");
        assert_eq!(text.slice(Span::new((2, 9).into(), (1, 1).into())), "");
    }
}
