//! Where answers go: stdout, through one writer that takes a closed pipe for an answer.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};

use serde::Serialize;

use crate::failure::{Failure, Result, coloured, visible};

/// The one way to stdout. Buffered; [`Out::flush`] at the end.
pub(crate) struct Out {
    to: BufWriter<Stdout>,
    terminal: bool,
    colour: bool,
}

/// A colour, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// What is new or as it should be.
    Green,
    /// What changes.
    Yellow,
    /// What is wrong.
    Red,
    /// What matters less.
    Dim,
    /// Headings.
    Bold,
}

impl Out {
    /// Colour only on a terminal, unless `NO_COLOR` says otherwise.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Out { to: BufWriter::new(stdout), terminal, colour: coloured(terminal) }
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line of text. What would drive the terminal is escaped.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<()> {
        let text = text.to_string();
        self.write(visible(&text).as_bytes())?;
        self.write(b"\n")
    }

    /// A line in a colour.
    pub(crate) fn painted(&mut self, paint: Paint, text: impl Display) -> Result<()> {
        let text = visible(&text.to_string());
        let code = match paint {
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Red => "31",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        if self.colour {
            self.write(format!("\x1b[{code}m{text}\x1b[0m\n").as_bytes())
        } else {
            self.write(format!("{text}\n").as_bytes())
        }
    }

    /// One JSON document, indented, ending with a line feed.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(document).map_err(asof_model::Error::internal)?;
        // JSON escapes control characters itself.
        self.write(text.as_bytes())?;
        self.write(b"\n")
    }

    /// Bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes).map_err(closed)
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(closed)
    }
}

fn closed(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::file("write to", "stdout", &error),
    }
}
