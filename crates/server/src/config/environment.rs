//! `[environment.NAME]`: what is asked before an environment's pointers move.
//!
//! An environment after the first asks all gates that there are for every project, unless it lists which; the first asks
//! none, so that work in it goes on. The last one is protected from breaking changes. What the project asks besides lies
//! in files beside the settings, and is read anew at each promotion: whoever runs the server decides, not whoever calls it.

use std::path::{Path, PathBuf};

use asof_engine::{Gate, OwnGate, Policy};
use asof_model::{Error, ErrorKind, Name, Result};
use serde::{Deserialize, Deserializer};

use super::Config;

/// `[environment.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// The gates that there are for every project: online, fresh, checks, leakage, equal. By default all of them, none in the
    /// first environment.
    #[serde(deserialize_with = "gates")]
    pub built_in: Option<Vec<Gate>>,
    /// The project's own: files with one SELECT each that must give no row; paths from the folder of asof.toml.
    pub gates: Vec<String>,
    /// How many people besides whoever promotes must have approved; 0.
    pub approvals: u32,
    /// Whether breaking changes to what it points at must be allowed; by default only in the last environment, if there are
    /// several.
    pub protected: Option<bool>,
}

fn gates<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Vec<Gate>>, D::Error> {
    let written = Vec::<String>::deserialize(from)?;
    let gates = written.iter().map(|text| text.parse().map_err(serde::de::Error::custom));
    gates.collect::<std::result::Result<_, D::Error>>().map(Some)
}

impl Config {
    /// That no environment is described that there is not.
    pub(super) fn check_environments(&self) -> Result<()> {
        let known = &self.project.environments;
        let Some(other) = self.environment.keys().find(|name| !known.contains(name)) else { return Ok(()) };
        let names: Vec<_> = known.iter().map(Name::as_str).collect();
        let message = format!("[environment.{other}] describes no environment of [project] environments");
        Err(Error::new(ErrorKind::Invalid, "invalid_config", message)
            .remedy(format!("there are: {}", names.join(", "))))
    }

    /// The files of gates of all environments.
    pub fn gate_files(&self) -> Vec<PathBuf> {
        let folder = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        self.environment.values().flat_map(|environment| &environment.gates).map(|gate| folder.join(gate)).collect()
    }

    /// What environments ask.
    pub(crate) fn rules(&self) -> Rules {
        let folder = self.file.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
        let order = self.project.environments.clone();
        let described = order.iter().map(|name| self.environment.get(name).cloned().unwrap_or_default());
        Rules { described: described.collect(), order, folder }
    }
}

/// What each environment asks.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    order: Vec<Name>,
    /// In that order.
    described: Vec<Environment>,
    folder: PathBuf,
}

impl Rules {
    fn place(&self, environment: &Name) -> Option<(usize, &Environment)> {
        let place = self.order.iter().position(|name| name == environment)?;
        Some((place, self.described.get(place)?))
    }

    fn is_protected(&self, environment: &Name) -> bool {
        let Some((place, described)) = self.place(environment) else { return false };
        described.protected.unwrap_or(place > 0 && place + 1 == self.order.len())
    }

    /// The environments whose users are protected from breaking changes.
    pub(crate) fn protected(&self) -> Vec<Name> {
        self.order.iter().filter(|name| self.is_protected(name)).cloned().collect()
    }

    /// What one of them asks.
    ///
    /// # Errors
    /// `gate_unreadable` for a file that is not there.
    pub(crate) fn policy(&self, environment: &Name) -> Result<Policy> {
        let Some((place, described)) = self.place(environment) else { return Ok(Policy::default()) };
        let all = if place == 0 { Vec::new() } else { Gate::ALL.to_vec() };
        Ok(Policy {
            gates: described.built_in.clone().unwrap_or(all),
            own: described.gates.iter().map(|path| self.own(path)).collect::<Result<_>>()?,
            approvals: described.approvals,
            protected: self.is_protected(environment),
        })
    }

    fn own(&self, path: &str) -> Result<OwnGate> {
        let file = self.folder.join(path);
        let sql = std::fs::read_to_string(&file).map_err(|error| {
            let message = format!("the gate {} cannot be read: {error}", file.display());
            Error::new(ErrorKind::Precondition, "gate_unreadable", message)
                .remedy("mend its path in [environment.…] gates of asof.toml, or let this user read it")
        })?;
        Ok(OwnGate { name: path.to_owned(), sql })
    }
}
