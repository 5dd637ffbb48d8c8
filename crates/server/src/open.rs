//! From settings to an engine: the stores behind each URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asof_catalog::{Catalog, Held};
use asof_engine::{Engine, Limits, Listener, Narrator, Parts, PushLimits, Workshop};
use asof_model::{Error, ErrorKind, Result, clock};
use asof_online::{MemoryStore, OnlineStore};
use asof_online_rocksdb::{OpenOptions, RocksStore};

use crate::config::{Config, Location, Offline, Online};
use crate::lock::StoreLock;
use crate::spool::Spool;
use crate::telling::{Delivered, Telling};

/// An engine over the configured stores, which this process holds alone.
pub struct Opened {
    /// All verbs.
    pub engine: Engine,
    /// Keep it as long as the engine: dropping it lets another process in.
    pub lock: StoreLock,
    /// As the lock, of a catalog that does not lie in the store.
    pub catalog: Held,
    telling: Option<Telling>,
}

impl Opened {
    /// To wait for the end of what was given up, after the engine itself went elsewhere.
    pub fn ending(&self) -> Ending {
        Ending(self.engine.clone(), self.telling.clone())
    }
}

/// Work of an engine that nobody waits for any more.
#[derive(Clone)]
pub struct Ending(Engine, Option<Telling>);

impl Ending {
    /// Waits until the events of all runs are delivered, or until `patience` ends; what became of them. Nothing where they go
    /// nowhere.
    pub async fn told(&self, patience: Duration) -> Delivered {
        let Some(telling) = &self.1 else { return Delivered::default() };
        let delivered = telling.drained(patience).await;
        if delivered.lost > 0 {
            tracing::warn!(
                lost = delivered.lost,
                "not every event of OpenLineage was delivered; asof log --openlineage tells all again"
            );
        }
        delivered
    }

    /// Waits until no work is left and all of it is recorded, or until `patience` ends; whether nothing is left. What is
    /// left then has committed nothing, keeps nothing on disk and ends with the process; the next one to open the store records it.
    pub async fn ended(self, patience: Duration) -> bool {
        let ended = tokio::time::timeout(patience, self.0.ended()).await.is_ok();
        self.0.leave_nothing();
        ended
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

/// Takes the store for this process and builds the engine over it. `verb` is told to whoever finds it held;
/// a holder that will be done is waited for up to `patience`, one that serves is not.
///
/// # Errors
/// `store_held`; `not_yet` for a URL whose backend is not built yet; those of opening each store.
pub async fn open(config: &Config, verb: &str, patience: Duration) -> Result<Opened> {
    let folder = store_folder(config)?;
    std::fs::create_dir_all(&folder).map_err(|e| {
        let message = format!("the store's folder {} cannot be made: {e}", folder.display());
        Error::new(ErrorKind::Precondition, "store_unreachable", message)
            .remedy("check [store] url, and that this user may write there")
    })?;
    let listen = (verb == "serve").then_some(config.server.listen.as_str());
    let lock = StoreLock::take(&folder, verb, listen, patience).await?;
    Spool::of(&folder).clear();
    let Offline { threads, memory } = config.offline;
    let gives_way = verb == "serve";
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.unwrap_or(if gives_way { processors - 1 } else { processors });
    let limits = Limits { threads, memory, gives_way };
    let catalog = Catalog::open(&config.catalog.url).await?;
    let (held, offline) = (catalog.hold().await?, asof_offline::Store::open(path_text(&folder)?).await?);
    let telling = Telling::start(&config.openlineage, Narrator::new(catalog.clone(), offline.clone()))?;
    let listener = telling.clone().map(|telling| Arc::new(telling) as Arc<dyn Listener>);
    let parts = Parts {
        catalog,
        offline,
        online: online(&config.online, verb == "serve")?,
        clock: Arc::new(clock::System),
        workshop: Workshop::new(limits, Some(&folder.join("tmp")))?,
        push: PushLimits {
            clock_skew: config.push.clock_skew,
            remember: config.push.remember,
            every: config.push.every,
            waiting: config.push.waiting as u64,
        },
    };
    Ok(Opened { engine: Engine::open_telling(parts, listener).await?, lock, catalog: held, telling })
}

/// What became of an online store that was set aside.
#[derive(Debug)]
pub struct SetAside {
    /// Where it is now.
    pub folder: PathBuf,
    /// How many rows that were pushed were taken from it, because they may not be in their tables yet.
    pub rows: u64,
    /// Datasets of which pushed rows are gone, with the order of acceptance up to which their tables have them, and up to which
    /// they were acknowledged.
    pub lost: Vec<(String, i64, i64)>,
}

/// Sets the online store aside, whatever state it is in, and makes an empty one, which waits for views to be materialized. What
/// was pushed and is in no table yet is taken along as far as it can be read.
///
/// # Errors
/// `store_held`, as of [`open`]; `not_yet` for a store that is not RocksDB's; those of the machine.
pub async fn set_aside(config: &Config, verb: &str, patience: Duration) -> Result<SetAside> {
    let folder = store_folder(config)?;
    let Location { scheme: "rocksdb", path } = Location::of(&config.online.url) else {
        let scheme = Location::of(&config.online.url).scheme;
        return Err(not_yet("[online]", &config.online.url, scheme, "rocksdb:"));
    };
    let _lock = StoreLock::take(&folder, verb, None, patience).await?;
    let aside = RocksStore::set_aside(Path::new(path))?;
    let tables = asof_offline::Store::open(path_text(&folder)?).await?;
    let mut lost = Vec::new();
    for (journal, acknowledged) in aside.short {
        let landed = tables.landed(&journal.project, &journal.dataset).await?;
        if landed < acknowledged {
            lost.push((journal.to_string(), landed, acknowledged));
        }
    }
    Ok(SetAside { folder: aside.folder, rows: aside.rows, lost })
}

/// Where datasets, training sets, the lock and temporary files lie.
pub(crate) fn store_folder(config: &Config) -> Result<PathBuf> {
    match Location::of(&config.store.url) {
        Location { scheme: "file", path } => Ok(path.into()),
        Location { scheme, .. } => Err(not_yet("[store]", &config.store.url, scheme, "file:")),
    }
}

fn online(config: &Online, serves: bool) -> Result<Arc<dyn OnlineStore>> {
    let url = config.url.as_str();
    match Location::of(url) {
        Location { scheme: "rocksdb", path } => {
            // A single verb asks too little to be worth a copy of everything.
            let copy_bytes = if serves { config.memory } else { 0 };
            let options = OpenOptions { copy_bytes, ..OpenOptions::default() };
            Ok(Arc::new(RocksStore::open(Path::new(path), options)?))
        }
        // For tests, and for what is materialized again at every start.
        Location { scheme: "memory", .. } => Ok(Arc::new(MemoryStore::new())),
        Location { scheme, .. } => Err(not_yet("[online]", url, scheme, "rocksdb:")),
    }
}

fn not_yet(section: &str, url: &str, scheme: &str, built: &str) -> Error {
    let message = format!("{section} url = \"{url}\": stores behind `{scheme}:` are not built yet");
    Error::new(ErrorKind::Unsupported, "not_yet", message).remedy(format!("use a path: {built}some/folder"))
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let message = format!("the path {} is not UTF-8", path.display());
        Error::new(ErrorKind::Invalid, "invalid_url", message)
    })
}
