//! In whose name a verb moves pointers, and why: options, and who works here where nobody is named.

use std::fs;
use std::os::unix::fs::MetadataExt;

use asof_proto::registry::v1::Author;

/// Who moves pointers, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct By {
    /// Why; it is kept with the move.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// In whose name; by default the user of the system.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl By {
    /// As it is kept.
    pub(crate) fn author(&self) -> Option<Author> {
        let who = self.by.clone().or_else(user).unwrap_or_default();
        Some(Author { who, why: self.why.clone().unwrap_or_default() })
    }
}

/// The user of the system: whom its variables name, or else whose process this is.
fn user() -> Option<String> {
    let mut named = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.find(|name| !name.is_empty()).or_else(owner)
}

fn owner() -> Option<String> {
    let id = fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        // Behind the name stands a password that is not there, then the number.
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.or_else(|| Some(format!("user {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_an_owner() {
        assert!(owner().is_some_and(|owner| !owner.is_empty()));
    }
}
