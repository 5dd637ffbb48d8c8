//! Settings: defaults, then variables that the standard for lineage has for all its clients, then `asof.toml`, then
//! `ASOF_<SECTION>_<KEY>` variables, then [`Overrides`].
//!
//! Plain data: components are built from it elsewhere. After loading, every URL is filled in and every local
//! path is absolute; a relative one is taken from the folder of the file (without a file, from the current
//! folder). A setting that nobody knows is an error that says which was probably meant.

mod environment;
mod location;
mod mistake;
mod quantity;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asof_engine::PushLimits;
use asof_model::{Error, ErrorKind, Name, Result};
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use serde::Deserialize;

pub use environment::Environment;
pub(crate) use environment::Rules;
pub(crate) use location::Location;
use variables::Variables;

/// The name of the file that is looked for.
pub const FILE: &str = "asof.toml";

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file they came from; none where there is none.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// `[project]`.
    pub project: Project,
    /// `[store]`.
    pub store: Store,
    /// `[catalog]`.
    pub catalog: Catalog,
    /// `[online]`.
    pub online: Online,
    /// `[server]`.
    pub server: Server,
    /// `[offline]`.
    pub offline: Offline,
    /// `[push]`.
    pub push: Push,
    /// `[environment.NAME]`.
    pub environment: BTreeMap<Name, Environment>,
    /// `[openlineage]`.
    pub openlineage: Openlineage,
    /// `[serving_log]`.
    pub serving_log: ServingLog,
}

/// `[project]`: whose definitions a call is about, unless it says so itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Project {
    /// Its name; by default `default`.
    pub name: Name,
    /// Its environments; the first is the one a call means that names none. By default dev, staging, prod.
    pub environments: Vec<Name>,
}

impl Default for Project {
    fn default() -> Self {
        let name = |text: &str| text.parse().expect("a name written here is a name");
        Project { name: name("default"), environments: ["dev", "staging", "prod"].map(name).into() }
    }
}

/// `[store]`: where datasets and training sets lie.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// A folder as `file:` URL or path; by default `.asof` beside the file.
    pub url: String,
}

impl Default for Store {
    fn default() -> Self {
        Store { url: "file:.asof".to_owned() }
    }
}

/// `[catalog]`: where definitions and runs are kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalog {
    /// By default `sqlite:<store>/catalog.db`; or `postgres://<user>:<password>@<host>/<database>`.
    pub url: String,
}

/// `[online]`: where served values are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Online {
    /// By default `rocksdb:<store>/online`.
    pub url: String,
    /// Memory that a server takes for copies of what is online, which it reads much faster; 256 MiB. 0 for none.
    #[serde(deserialize_with = "quantity::size_or_none")]
    pub memory: usize,
}

impl Default for Online {
    fn default() -> Self {
        Online { url: String::new(), memory: 256 << 20 }
    }
}

/// `[server]`: where it listens and what one client may cost it. Sizes are bytes or texts such as `16MiB`,
/// times are seconds or texts such as `30s`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Host and port; by default 127.0.0.1:7461. Port 0 takes a free one.
    pub listen: String,
    /// The largest message accepted or sent; 16 MiB.
    #[serde(deserialize_with = "quantity::size")]
    pub max_message: usize,
    /// Calls at once on one connection; 256.
    pub max_streams: u32,
    /// How long a call may take until its first answer, and a silent upload until it is given up; 30 seconds.
    #[serde(deserialize_with = "quantity::duration")]
    pub request_timeout: Duration,
    /// How long a shutdown waits for calls in flight; 30 seconds.
    #[serde(deserialize_with = "quantity::duration")]
    pub shutdown_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:7461".to_owned(),
            max_message: 16 << 20,
            max_streams: 256,
            request_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// `[offline]`: what offline work may take of the machine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Offline {
    /// Threads; by default one per processor, and on a server one fewer: then a processor is left to requests.
    pub threads: Option<usize>,
    /// Memory for sorting and joining; what needs more goes to disk. By default 1 GiB.
    #[serde(deserialize_with = "quantity::size")]
    pub memory: usize,
}

impl Default for Offline {
    fn default() -> Self {
        Offline { threads: None, memory: 1 << 30 }
    }
}

/// `[push]`: how pushed rows are treated.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// How far ahead of this machine's clock a row may be; 5 minutes.
    #[serde(deserialize_with = "quantity::duration")]
    pub clock_skew: Duration,
    /// How long the key of a push is remembered, so that its repetition counts once; a day.
    #[serde(deserialize_with = "quantity::duration")]
    pub remember: Duration,
    /// How often pushed rows are written to their tables; 5 seconds. Who reads a table here finds them in any case.
    #[serde(deserialize_with = "quantity::duration")]
    pub every: Duration,
    /// How many bytes of rows may wait for their tables before pushes are refused; 256 MiB. From half of it on they
    /// are slowed down.
    #[serde(deserialize_with = "quantity::size")]
    pub waiting: usize,
}

impl Default for Push {
    fn default() -> Self {
        let PushLimits { clock_skew, remember, every, waiting } = PushLimits::default();
        Push { clock_skew, remember, every, waiting: usize::try_from(waiting).unwrap_or(usize::MAX) }
    }
}

/// `[openlineage]`: who is told of runs as they happen.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Openlineage {
    /// `https://HOST[:PORT]`, `file:PATH` (a line for each event) or `console:` (stderr); by default nobody. Where nothing is
    /// set here, `OPENLINEAGE_URL` is.
    pub url: String,
    /// Sent as a bearer token; by default none. Where nothing is set here, `OPENLINEAGE_API_KEY` is.
    pub api_key: String,
    /// How long one request may take; 5 seconds.
    #[serde(deserialize_with = "quantity::duration")]
    pub timeout: Duration,
    /// How long an event is tried again before it is given up; a minute.
    #[serde(deserialize_with = "quantity::duration")]
    pub retry_for: Duration,
    /// How many runs may wait to be told of; 1000. What comes then is dropped, and counted.
    pub queue: usize,
}

impl Default for Openlineage {
    fn default() -> Self {
        let (url, api_key) = (String::new(), String::new());
        Openlineage { url, api_key, timeout: Duration::from_secs(5), retry_for: Duration::from_secs(60), queue: 1000 }
    }
}

/// `[serving_log]`: what of what a server answers is kept, so that it can be verified later.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServingLog {
    /// Every so many requests one is logged; 0 for none, which is the default.
    pub every: u64,
}

/// What the caller says goes before everything else, as if it stood in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `[project] name`.
    pub project: Option<String>,
    /// `[store] url`.
    pub store: Option<String>,
    /// `[server] listen`.
    pub listen: Option<String>,
}

impl Config {
    /// Loads the settings from a file, or without one from the nearest `asof.toml` in the current folder and
    /// those above it (which need not exist).
    ///
    /// # Errors
    /// `config_not_found` for a file that was named; `invalid_config`, `unknown_setting`.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self> {
        let here = std::env::current_dir().map_err(|e| Error::internal(format!("the current folder: {e}")))?;
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Config::read(&here, file, Variables::of(variables)?, overrides)
    }

    fn read(here: &Path, file: Option<&Path>, variables: Variables, overrides: Overrides) -> Result<Self> {
        let file = match file {
            Some(named) => Some(here.join(named)),
            None => here.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file()),
        };
        let text = match &file {
            Some(path) => std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?,
            None => String::new(),
        };
        let mut figment = Figment::new();
        for (key, value) in variables.standard() {
            figment = figment.merge(Serialized::default(&format!("openlineage.{key}"), value));
        }
        let mut figment = figment.merge(Toml::string(&text)).merge(&variables);
        for (key, value) in
            [("project.name", overrides.project), ("store.url", overrides.store), ("server.listen", overrides.listen)]
        {
            if let Some(value) = value {
                figment = figment.merge(Serialized::default(key, value));
            }
        }
        let config: Config = figment.extract().map_err(|e| mistake::explain(e, file.as_deref(), &text, &variables))?;
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(here);
        Config { file: file.clone(), ..config }.settle(folder)
    }

    /// Fills in what follows from other settings, and makes paths absolute.
    fn settle(mut self, folder: &Path) -> Result<Self> {
        if self.project.environments.is_empty() {
            let message = "[project] environments is empty";
            return Err(Error::new(ErrorKind::Invalid, "invalid_config", message).remedy("name at least one"));
        }
        self.check_environments()?;
        self.store.url = location::anchored(&self.store.url, "file", folder)?;
        let store = Location::of(&self.store.url);
        if store.scheme == "file" {
            let beside = |url: &mut String, default: String| {
                if url.is_empty() {
                    *url = default;
                }
            };
            beside(&mut self.catalog.url, format!("sqlite:{}/catalog.db", store.path));
            beside(&mut self.online.url, format!("rocksdb:{}/online", store.path));
        }
        // What no local store gives a default stays empty: opening the store says what is wrong.
        for (url, scheme) in [(&mut self.catalog.url, "sqlite"), (&mut self.online.url, "rocksdb")] {
            if !url.is_empty() {
                *url = location::anchored(url, scheme, folder)?;
            }
        }
        if !self.openlineage.url.is_empty() {
            self.openlineage.url = location::anchored(&self.openlineage.url, "file", folder)?;
        }
        Ok(self)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let (kind, code) = match error.kind() {
        std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "config_not_found"),
        _ => (ErrorKind::Invalid, "invalid_config"),
    };
    Error::new(kind, code, format!("the configuration {} cannot be read: {error}", path.display()))
        .remedy("name another with --config FILE, or make one with asof init")
}

#[cfg(test)]
mod tests;
