//! What does no harm today and whoever asked should know: a line each on stderr, once per command.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use asof_proto::object::v1::Warning;
use serde_json::{Value, json};

use crate::failure::{coloured, visible};

/// Tells them.
pub(crate) fn tell(warnings: &[Warning]) {
    let (yellow, plain) = if coloured(io::stderr().is_terminal()) { ("\x1b[1;33m", "\x1b[0m") } else { ("", "") };
    let mut told = BTreeSet::new();
    for Warning { code, message } in warnings {
        if told.insert((code, message)) {
            // If stderr is gone, nobody is left to warn.
            let _ = writeln!(io::stderr().lock(), "{yellow}warning[{}]{plain}: {}", visible(code), visible(message));
        }
    }
}

/// All of them.
pub(crate) fn json(warnings: &[Warning]) -> Value {
    warnings.iter().map(|warning| json!({ "code": warning.code, "message": warning.message })).collect()
}
