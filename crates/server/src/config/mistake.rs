//! What is wrong with the settings, where, and what was probably meant.

use std::path::Path;

use asof_model::error::Place;
use asof_model::{Error, ErrorKind, name};
use figment::error::Kind;

use super::variables::Variables;

/// All sections.
pub(super) const SECTIONS: [&str; 9] =
    ["project", "store", "catalog", "online", "server", "offline", "push", "openlineage", "serving_log"];

/// The error as its user reads it.
pub(super) fn explain(error: figment::Error, file: Option<&Path>, text: &str, variables: &Variables) -> Error {
    // The one that was found first; the others come up once it is mended.
    let figment::Error { path, kind, .. } = error;
    let (code, reason, remedy) = match &kind {
        Kind::UnknownField(field, known) => {
            let (what, section) = match path.as_slice() {
                [sections @ .., _] if !sections.is_empty() => ("setting", format!(" in [{}]", sections.join("."))),
                _ => ("section", String::new()),
            };
            let remedy = match name::nearest(field, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", known.join(", ")),
            };
            ("unknown_setting", format!("there is no {what} `{field}`{section}"), Some(remedy))
        }
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            ("invalid_config", format!("`{}` must be {expected}, not {found}", path.join(".")), None)
        }
        Kind::Message(message) if path.is_empty() => ("invalid_config", message.trim_end().to_owned(), None),
        other => ("invalid_config", format!("`{}`: {other}", path.join(".")), None),
    };
    // A section in a section: `[environment.prod]`.
    let nested = path.get(..2).filter(|_| path.len() > 2).map(|sections| sections.join("."));
    let (section, key) = match &nested {
        Some(nested) => (Some(nested.as_str()), path.get(2).map(String::as_str)),
        None => (path.first().map(String::as_str), path.get(1).map(String::as_str)),
    };
    let variable = section.zip(key).and_then(|(s, k)| variables.naming(s, k));
    let reason = match (&variable, file) {
        (Some(variable), _) => format!("the variable {variable}: {reason}"),
        (None, Some(file)) if section.is_none() => format!("{}: {reason}", file.display()),
        _ => reason,
    };
    let mut error = Error::new(ErrorKind::Invalid, code, reason);
    if let Some(remedy) = remedy {
        error = error.remedy(remedy);
    }
    match (variable, file, section) {
        (None, Some(file), Some(section)) => match place(file, text, section, key) {
            Some(place) => error.at(place),
            None => error,
        },
        _ => error,
    }
}

/// Where a setting stands in the file, if it is written the usual way: `[section]`, then `key = …`.
fn place(file: &Path, text: &str, section: &str, key: Option<&str>) -> Option<Place> {
    let mut inside = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let start = line.trim_start();
        let column = (line.chars().count() - start.chars().count()) as u64 + 1;
        let at = |word: &str| Place {
            file: file.display().to_string(),
            line: number,
            column,
            text: line.to_owned(),
            width: word.chars().count() as u64,
        };
        if let Some(header) = start.strip_prefix('[') {
            inside = header.split(']').next().unwrap_or_default().trim().to_owned();
            if key.is_none() && inside == section {
                return Some(at(start.trim_end()));
            }
            continue;
        }
        let written = start.split('=').next().unwrap_or_default().trim().trim_matches('"');
        let wanted = match key {
            Some(key) => inside == section && written == key,
            None => inside.is_empty() && written == section,
        };
        if wanted {
            return Some(at(written));
        }
    }
    None
}
