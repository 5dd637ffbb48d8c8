//! One process at a time: the lock file of a store.
//!
//! The lock is the operating system's, on `<store>/lock`, so it goes with its process, however that ends. What
//! the file says is only for messages: who holds it, and where that process can be reached.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use asof_model::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use tokio::time::{interval, timeout};

/// How often a waiting process looks again.
const PACE: Duration = Duration::from_millis(50);
/// The verb that holds a store for as long as somebody wants it to.
const SERVE: &str = "serve";

/// Who holds a store, as the lock file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    verb: String,
    #[serde(default)]
    listen: Option<String>,
}

/// A store held by this process. Dropping it lets the next one in.
#[derive(Debug)]
pub struct StoreLock {
    file: LockFile,
    holder: Holder,
}

/// The lock file, held by this process or not.
#[derive(Debug)]
struct LockFile {
    file: File,
    path: PathBuf,
}

impl StoreLock {
    /// Takes the store in a folder that exists. Waits up to `patience` for a process that will be done, and not
    /// at all for one that serves.
    ///
    /// # Errors
    /// `store_held`, naming the holder and the way to it; `store_unreachable` when the file cannot be opened.
    pub(crate) async fn take(folder: &Path, verb: &str, listen: Option<&str>, patience: Duration) -> Result<Self> {
        let path = folder.join("lock");
        let broken = |e: std::io::Error| unreachable(&path, &e);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(broken)?;
        let holder = Holder { pid: std::process::id(), verb: verb.to_owned(), listen: listen.map(str::to_owned) };
        let mut file = LockFile { file, path };
        let wait = async {
            let mut again = interval(PACE);
            loop {
                again.tick().await;
                match file.attempt()? {
                    None => return Ok(()),
                    Some(holder) if holder.verb == SERVE => return Err(held(folder, &holder)),
                    Some(holder) => tracing::debug!(pid = holder.pid, verb = holder.verb, "waiting for the store"),
                }
            }
        };
        match timeout(patience, wait).await {
            Ok(taken) => taken?,
            // The last look, which also tells who it was.
            Err(_) => {
                if let Some(holder) = file.attempt()? {
                    return Err(held(folder, &holder));
                }
            }
        }
        // Only now: what a process that was refused leaves behind is nothing.
        file.write(&holder)?;
        Ok(StoreLock { file, holder })
    }

    /// Says where this process can be reached, when it is known better than at the start (port 0).
    ///
    /// # Errors
    /// `store_unreachable` when the file cannot be written.
    pub fn announce(&mut self, listen: impl Into<String>) -> Result<()> {
        self.holder.listen = Some(listen.into());
        self.file.write(&self.holder)
    }
}

impl LockFile {
    /// Tries once; who holds it, if somebody else does.
    fn attempt(&mut self) -> Result<Option<Holder>> {
        match self.file.try_lock() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(self.read())),
            Err(TryLockError::Error(e)) => Err(unreachable(&self.path, &e)),
        }
    }

    /// What the holder wrote; unknown (process 0) in the instant before it did.
    fn read(&mut self) -> Holder {
        let mut text = String::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_string(&mut text));
        read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    fn write(&mut self, holder: &Holder) -> Result<()> {
        let text = serde_json::to_string(holder).map_err(Error::internal)?;
        let written = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        let written = written.and_then(|_| self.file.write_all(text.as_bytes()));
        written.map_err(|e| unreachable(&self.path, &e))
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // Should the next holder be asked about before it wrote its name, ours must not be read.
        if let Err(error) = self.file.file.set_len(0) {
            tracing::debug!(%error, "the lock file keeps its last holder's name");
        }
    }
}

fn unreachable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("the store's lock file {} cannot be used: {error}", path.display());
    Error::new(ErrorKind::Precondition, "store_unreachable", message)
        .remedy("check [store] url, and that this user may write there")
}

fn held(folder: &Path, holder: &Holder) -> Error {
    let who = match holder {
        Holder { pid: 0, .. } => "another process".to_owned(),
        Holder { pid, verb, .. } => format!("process {pid} (asof {verb})"),
    };
    let message = format!("the store at {} is held by {who}", folder.display());
    let error = Error::new(ErrorKind::Unavailable, "store_held", message);
    match &holder.listen {
        Some(listen) if holder.verb == SERVE => error.remedy(format!("connect to it with --server http://{listen}")),
        _ => error.remedy("wait until it is done, or end that process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[tokio::test]
    async fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let check = async |verb: &str, listen: Option<&str>, says: &str, remedy: &str| {
            let first = StoreLock::take(folder.path(), verb, listen, NOW).await.unwrap();
            let error = StoreLock::take(folder.path(), "train", None, NOW).await.unwrap_err();
            assert_eq!((error.code(), error.kind()), ("store_held", ErrorKind::Unavailable));
            let pid = std::process::id();
            assert!(error.message().ends_with(&format!("is held by process {pid} (asof {says})")), "{error}");
            assert_eq!(error.remedy_text(), Some(remedy));
            drop(first);
        };
        check("ingest", None, "ingest", "wait until it is done, or end that process").await;
        check("serve", Some("127.0.0.1:1"), "serve", "connect to it with --server http://127.0.0.1:1").await;
        StoreLock::take(folder.path(), "train", None, NOW).await.expect("a dropped lock is free");
    }

    #[tokio::test]
    async fn a_holder_that_will_be_done_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let first = StoreLock::take(folder.path(), "ingest", None, NOW).await.unwrap();
        let second = StoreLock::take(folder.path(), "train", None, Duration::from_secs(20));
        let (second, ()) = tokio::join!(second, async {
            // Long enough for several looks that find it held.
            let _ = timeout(PACE * 4, std::future::pending::<()>()).await;
            drop(first);
        });
        assert_eq!(second.unwrap().holder.verb, "train");
    }

    #[tokio::test]
    async fn a_server_is_not_waited_for_and_says_where_it_listens() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = StoreLock::take(folder.path(), "serve", Some("127.0.0.1:0"), NOW).await.unwrap();
        first.announce("127.0.0.1:7").unwrap();
        let second = StoreLock::take(folder.path(), "train", None, Duration::from_secs(3600));
        let error = timeout(Duration::from_secs(10), second).await.expect("no waiting").unwrap_err();
        assert_eq!(error.remedy_text(), Some("connect to it with --server http://127.0.0.1:7"));
    }
}
