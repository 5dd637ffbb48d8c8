//! One error type for everything a user may see.
//!
//! A [`Kind`] says what the caller should do next and is the only thing protocols map to their own
//! codes; the `code` is stable and has an entry in `docs/errors.md`; the message names the object and the
//! reason; the place says where in the user's own text; the remedy says the way out.

use std::fmt;

/// What the caller should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Change the request: it can never succeed as it is.
    Invalid,
    /// Name something that exists.
    NotFound,
    /// It is there already, with another content.
    Conflict,
    /// First do what the remedy says (ingest, materialize, …), then ask again.
    Precondition,
    /// Somebody else holds it or it is overloaded: try again later.
    Unavailable,
    /// The time that the caller, or the server, gives a call was over: allow more, or ask for less.
    Late,
    /// Named by the plan but not built yet.
    Unsupported,
    /// Stored bytes are not what was written: restore or rebuild.
    Corrupt,
    /// A defect or a failure of the machine: the text is for whoever runs the server.
    Internal,
}

/// The result of anything that can fail for a reason a user should read.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in a text the user wrote: the first line and column are 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// The text of that line, for the caret below it.
    pub text: String,
    /// How many characters the caret underlines; at least 1.
    pub width: u64,
}

/// An error with its kind, stable code, message, place and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    code: &'static str,
    message: String,
    place: Option<Box<Place>>,
    remedy: Option<String>,
}

impl Error {
    /// An error of this kind. `code` is snake_case, stable, and listed in `docs/errors.md`.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Error { kind, code, message: message.into(), place: None, remedy: None }
    }

    /// A defect or a failure of the machine.
    pub fn internal(message: impl fmt::Display) -> Self {
        Error::new(Kind::Internal, "internal", message.to_string())
    }

    /// Adds the way out.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds the place in the user's text, unless a more exact one is known already.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert_with(|| Box::new(place));
        self
    }

    /// Puts what was being done before the message: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// What the caller should do next.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Object and reason, without place and remedy.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the user's text.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// The way out.
    pub fn remedy_text(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

/// `file:line:column: message`, the line with a caret below it, then the remedy: as the user reads it.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(p) = &self.place {
            write!(f, "{}:{}:{}: ", p.file, p.line, p.column)?;
        }
        write!(f, "{}", self.message)?;
        if let Some(p) = &self.place {
            let number = p.line.to_string();
            let margin = " ".repeat(number.len());
            let before: String = (p.text.chars())
                .take(p.column.saturating_sub(1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n {margin} |\n {number} | {}\n {margin} | {before}", p.text)?;
            write!(f, "{}", "^".repeat(p.width.max(1) as usize))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  help: {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_place_caret_and_remedy() {
        let error = Error::new(Kind::NotFound, "unknown_name", "there is no view `carrier_delay`")
            .remedy("did you mean `carrier_delays`?")
            .at(Place { file: "a.sql".into(), line: 12, column: 6, text: "FROM carrier_delay".into(), width: 13 });
        assert_eq!(
            error.to_string(),
            "a.sql:12:6: there is no view `carrier_delay`\n    |\n 12 | FROM carrier_delay\n    |      ^^^^^^^^^^^^^\n  help: did you mean `carrier_delays`?"
        );
    }
}
