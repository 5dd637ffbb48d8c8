//! What went wrong, as the user reads it, and the exit code that says whose turn it is.
//!
//! The server sends its errors in full inside the status of a failed call; what fails on this side is told in
//! the same form: code, message, place with a caret, remedy.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use asof_model::Error;
use asof_proto::error::v1 as wire;
use prost::Message;
use tonic::{Code, Status};

use crate::signals::Signal;

/// The exit code of what was refused or failed.
pub(crate) const REFUSED: u8 = 1;
/// The exit code of wrong usage.
pub(crate) const WRONG_USAGE: u8 = 2;

/// The exit code where `plan --exit-code` finds that something would change.
pub(crate) const CHANGES: u8 = 3;
/// The exit code where it finds that something would break.
pub(crate) const BREAKING: u8 = 4;

/// Why a verb did not get done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command itself is wrong: what was typed can never work.
    Usage(Box<wire::Error>),
    /// Refused or failed, for these reasons; at least one.
    Refused(Vec<wire::Error>),
    /// Told to stop by a signal.
    Interrupted(Signal),
    /// Whoever read the output has gone, which is their right.
    ClosedPipe,
}

/// The result of what may fail.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// Wrong usage, and the way out.
    pub(crate) fn usage(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure::Usage(Box::new(complaint("wrong_usage", message, remedy)))
    }

    /// Something on this side that cannot be done, and the way out (may be empty).
    pub(crate) fn refused(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Failure::Refused(vec![complaint(code, message, remedy)])
    }

    /// A file or folder on this side that cannot be read or written.
    pub(crate) fn file(doing: &str, path: impl fmt::Display, error: &io::Error) -> Self {
        Failure::refused("local_file", format!("cannot {doing} {path}: {error}"), "")
    }

    /// Tells it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        let colour = coloured(io::stderr().is_terminal());
        // If stderr is gone too, the exit code is all that is left.
        let _ = io::stderr().lock().write_all(self.text(colour).as_bytes());
        ExitCode::from(match self {
            Failure::Usage(_) => WRONG_USAGE,
            Failure::Refused(_) => REFUSED,
            Failure::Interrupted(signal) => signal.exit_code(),
            Failure::ClosedPipe => 0,
        })
    }

    fn text(&self, colour: bool) -> String {
        let mut text = String::new();
        let errors = match self {
            Failure::Usage(error) => std::slice::from_ref(&**error),
            Failure::Refused(errors) => errors,
            Failure::Interrupted(_) => return "interrupted: what was not finished did not happen\n".to_owned(),
            Failure::ClosedPipe => return text,
        };
        for (index, error) in errors.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            describe(&mut text, error, colour);
        }
        text
    }
}

/// `error[code]: message`, the place with its line and a caret, the remedy.
fn describe(text: &mut String, error: &wire::Error, colour: bool) {
    let (red, blue, plain) = if colour { ("\x1b[1;31m", "\x1b[1;34m", "\x1b[0m") } else { ("", "", "") };
    let code = visible(&error.code);
    text.push_str(&format!("{red}error[{code}]{plain}: {}\n", visible(&error.message)));
    if let Some(place) = &error.place {
        let margin = " ".repeat(place.line.to_string().len());
        let column = usize::try_from(place.column).unwrap_or(1).max(1);
        // Tabs are kept so that the caret stands under its character.
        let before = place.text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' });
        let left = place.text.chars().count().saturating_sub(column - 1).max(1);
        let caret = "^".repeat(usize::try_from(place.width).unwrap_or(1).clamp(1, left));
        text.push_str(&format!(
            "{margin}{blue}-->{plain} {}:{}:{}\n{margin} {blue}|{plain}\n{blue}{}{plain} {blue}|{plain} {}\n{margin} {blue}|{plain} {}{red}{caret}{plain}\n",
            visible(&place.file),
            place.line,
            place.column,
            place.line,
            visible(&place.text),
            before.collect::<String>(),
        ));
    }
    if !error.remedy.is_empty() {
        text.push_str(&format!("{blue}help:{plain} {}\n", visible(&error.remedy)));
    }
}

/// Whether to write in colour: on a terminal, unless `NO_COLOR` says otherwise.
pub(crate) fn coloured(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Text from elsewhere without what would move the cursor or change the terminal.
pub(crate) fn visible(text: &str) -> String {
    let hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(hidden) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if hidden(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

fn complaint(code: &str, message: impl Into<String>, remedy: impl Into<String>) -> wire::Error {
    wire::Error { code: code.to_owned(), message: message.into(), remedy: remedy.into(), place: None }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let place = error.place().map(|place| wire::Place {
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            text: place.text.clone(),
            width: place.width,
        });
        let remedy = error.remedy_text().unwrap_or_default();
        Failure::Refused(vec![wire::Error { place, ..complaint(error.code(), error.message(), remedy) }])
    }
}

impl From<Status> for Failure {
    /// The errors inside the status; for one without them (a proxy's, or the connection's), what the code says.
    fn from(status: Status) -> Self {
        let errors = wire::Errors::decode(status.details()).map(|e| e.errors).unwrap_or_default();
        if !errors.is_empty() {
            return Failure::Refused(errors);
        }
        let message = match status.message() {
            "" => status.code().description(),
            message => message,
        };
        match status.code() {
            Code::Unavailable => Failure::refused(
                "unavailable",
                format!("the server went away: {message}"),
                "see whether it still runs, then do the same again: what was done already is not done twice",
            ),
            Code::Unimplemented => Failure::refused(
                "unimplemented",
                format!("the server does not know this call: {message}"),
                "compare `asof --version` here and there",
            ),
            _ => Failure::refused("internal", message, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: wire::Error, expected: &str) {
        assert_eq!(Failure::Refused(vec![error]).text(false), expected);
    }

    #[test]
    fn an_error_shows_code_place_caret_and_remedy() {
        let place =
            wire::Place { file: "a.sql".into(), line: 12, column: 6, text: "FROM carrier_delay".into(), width: 13 };
        check(
            wire::Error {
                place: Some(place),
                ..complaint("unknown_name", "there is no view `carrier_delay`", "did you mean `carrier_delays`?")
            },
            "error[unknown_name]: there is no view `carrier_delay`\n  --> a.sql:12:6\n   |\n12 | FROM carrier_delay\n   |      ^^^^^^^^^^^^^\nhelp: did you mean `carrier_delays`?\n",
        );
    }

    #[test]
    fn a_place_that_cannot_be_is_shown_and_not_a_panic() {
        let place = wire::Place { file: String::new(), line: 0, column: 0, text: "\tx".into(), width: u64::MAX };
        check(
            wire::Error { place: Some(place), ..complaint("c", "m", "") },
            "error[c]: m\n --> :0:0\n  |\n0 | \tx\n  | ^^\n",
        );
    }

    #[test]
    fn what_would_drive_the_terminal_is_shown_instead() {
        check(complaint("c", "a\x1b[2Jb", ""), "error[c]: a\\u{1b}[2Jb\n");
    }

    #[test]
    fn errors_come_out_of_a_status() {
        let errors = wire::Errors { errors: vec![complaint("one", "first", ""), complaint("two", "second", "go")] };
        let status = Status::with_details(Code::InvalidArgument, "first", errors.encode_to_vec().into());
        assert_eq!(Failure::from(status).text(false), "error[one]: first\n\nerror[two]: second\nhelp: go\n");
        assert_eq!(Failure::from(Status::internal("broken")).text(false), "error[internal]: broken\n");
    }
}
