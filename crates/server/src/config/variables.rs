//! Settings from the environment: `ASOF_SERVER_LISTEN=…` is `listen` of `[server]`.

use asof_model::{Error, ErrorKind, Result, name};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::mistake::SECTIONS;

const PREFIX: &str = "ASOF_";

/// The variables that name a setting.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables {
    /// Section, key, value.
    set: Vec<(String, String, String)>,
    /// What the standard for lineage has for all its clients: key of our section, value.
    standard: Vec<(&'static str, String)>,
}

/// Variables of the standard, and which settings they are.
const STANDARD: [(&str, &str); 2] = [("OPENLINEAGE_URL", "url"), ("OPENLINEAGE_API_KEY", "api_key")];

impl Variables {
    /// Those of the process. `ASOF_` and one word is none of ours (the command line has some), nor is what
    /// begins with no section: container platforms set such variables for services of the same name.
    ///
    /// # Errors
    /// `unknown_setting` for a section that was nearly written right.
    pub(super) fn of(all: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let (mut set, mut standard, mut disabled) = (Vec::new(), Vec::new(), false);
        for (variable, value) in all {
            if let Some((_, key)) = STANDARD.iter().find(|(known, _)| *known == variable) {
                standard.push((*key, value));
                continue;
            }
            disabled |= variable == "OPENLINEAGE_DISABLED" && value.eq_ignore_ascii_case("true");
            let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
            let rest = rest.to_ascii_lowercase();
            // A section may have an underscore itself.
            let in_section = |section: &&str| rest.strip_prefix(*section).and_then(|key| key.strip_prefix('_'));
            if let Some((section, key)) = SECTIONS.iter().find_map(|section| Some((section, in_section(section)?))) {
                set.push(((*section).to_owned(), key.to_owned(), value));
                continue;
            }
            let Some((section, key)) = rest.split_once('_') else { continue };
            if let Some(near) = name::nearest(section, SECTIONS) {
                let message = format!("the variable {variable} names no setting: there is no section [{section}]");
                let meant = format!("{PREFIX}{}_{}", near.to_ascii_uppercase(), key.to_ascii_uppercase());
                return Err(
                    Error::new(ErrorKind::Invalid, "unknown_setting", message).remedy(format!("did you mean {meant}?"))
                );
            }
        }
        set.sort();
        if disabled {
            standard.clear();
        }
        Ok(Variables { set, standard })
    }

    /// Settings that the standard's own variables make, where nothing else does.
    pub(super) fn standard(&self) -> &[(&'static str, String)] {
        &self.standard
    }

    /// The variable that set this, if one did.
    pub(super) fn naming(&self, section: &str, key: &str) -> Option<String> {
        let found = self.set.iter().any(|(s, k, _)| s == section && k == key);
        found.then(|| format!("{PREFIX}{}_{}", section.to_ascii_uppercase(), key.to_ascii_uppercase()))
    }
}

impl Provider for &Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment variables")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut sections = Dict::new();
        for (section, key, text) in &self.set {
            // Numbers, booleans and lists as TOML writes them, everything else as text.
            let value: Value = text.parse().unwrap_or_else(|e| match e {});
            let entry = sections.entry(section.clone()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, keys) = entry {
                keys.insert(key.clone(), value);
            }
        }
        Ok(Profile::Default.collect(sections))
    }
}
