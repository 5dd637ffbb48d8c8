//! Files on their way to a server that cannot see them.
//!
//! The stream of an ingestion ends only when every byte has been handed over: where a file cannot be read to
//! its end the stream stays open and the call is given up, so that half a file never looks like a whole one.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use asof_proto::jobs::v1::ingest_request::Message;
use asof_proto::jobs::v1::{FileChunk, IngestHeader, IngestRequest};
use futures::Stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::failure::{Failure, Result};

/// Bytes of a file in one message.
const CHUNK: usize = 256 << 10;

/// What an ingestion reads, sorted by who reads it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Read by the server: URLs, and paths where it runs in this process.
    pub(crate) seen: Vec<String>,
    /// Handed over byte by byte.
    pub(crate) uploads: Vec<PathBuf>,
}

impl Sources {
    /// Sorts what was typed. A URL is read by the server; so is a path or glob when the server is this process,
    /// which is told it from the root of the file system; for a server elsewhere globs are expanded here.
    ///
    /// # Errors
    /// `no_such_file` for a path that is not there or a glob that fits nothing.
    pub(crate) fn sort(files: &[String], remote: bool) -> Result<Self> {
        let mut sources = Sources::default();
        for file in files {
            if file.contains("://") {
                sources.seen.push(file.clone());
            } else if remote {
                sources.uploads.extend(local(file)?);
            } else {
                let here = std::env::current_dir().map_err(|e| Failure::file("find", "the current folder", &e))?;
                sources.seen.push(here.join(file).display().to_string());
            }
        }
        Ok(sources)
    }
}

/// The files that a path or glob means.
fn local(file: &str) -> Result<Vec<PathBuf>> {
    let none = |why: &str| {
        Failure::refused(
            "no_such_file",
            format!("`{file}`: {why}"),
            "paths are taken from the current folder; quote globs, or let the shell expand them",
        )
    };
    let path = PathBuf::from(file);
    if path.is_file() {
        return Ok(vec![path]);
    }
    if path.is_dir() {
        return Err(none("this is a folder; name its files, for example with a glob"));
    }
    if !file.contains(['*', '?', '[']) {
        return Err(none("there is no such file"));
    }
    let found = glob::glob(file).map_err(|e| none(&e.to_string()))?;
    let mut files = found.filter_map(Result::ok).filter(|p| p.is_file()).collect::<Vec<_>>();
    files.sort();
    if files.is_empty() { Err(none("no file fits")) } else { Ok(files) }
}

/// The messages of one ingestion.
pub(crate) struct Messages(Receiver<Option<IngestRequest>>);

impl Stream for Messages {
    type Item = IngestRequest;

    /// Ends on the explicit end alone; a sender that is gone without it leaves the stream open.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<IngestRequest>> {
        match self.0.poll_recv(context) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Sends the header and then the files, a few chunks ahead of the network.
pub(crate) struct Upload {
    to: Sender<Option<IngestRequest>>,
    header: IngestHeader,
    files: Vec<PathBuf>,
}

/// An upload and the stream that it feeds.
pub(crate) fn upload(header: IngestHeader, files: Vec<PathBuf>) -> (Upload, Messages) {
    let (to, from) = channel(4);
    (Upload { to, header, files }, Messages(from))
}

impl Upload {
    /// Sends everything, then waits: the call's answer ends it.
    ///
    /// # Errors
    /// `local_file` for a file that cannot be read.
    pub(crate) async fn run(self) -> Failure {
        match self.send().await {
            Err(failure) => failure,
            Ok(()) => std::future::pending().await,
        }
    }

    async fn send(self) -> Result<()> {
        // A receiver that is gone means that the call has ended: its answer says why.
        let send = async |message: Message| {
            let _ = self.to.send(Some(IngestRequest { message: Some(message) })).await;
        };
        send(Message::Header(self.header.clone())).await;
        for path in &self.files {
            let cannot = |error: &std::io::Error| Failure::file("read", path.display(), error);
            let mut file = File::open(path).await.map_err(|e| cannot(&e))?;
            let mut buffer = vec![0; CHUNK];
            let mut first = true;
            loop {
                let read = file.read(&mut buffer).await.map_err(|e| cannot(&e))?;
                // An empty file is a file too.
                if read == 0 && !first {
                    break;
                }
                first = false;
                let bytes = buffer.get(..read).unwrap_or_default().to_vec();
                send(Message::Chunk(FileChunk { name: path.display().to_string(), bytes })).await;
            }
        }
        let _ = self.to.send(None).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[test]
    fn urls_go_on_and_paths_are_uploaded_only_to_a_server_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "x").unwrap();
        let glob = format!("{}/*.csv", folder.path().display());
        let files = ["s3://bucket/x.parquet".to_owned(), glob.clone()];
        let remote = Sources::sort(&files, true).unwrap();
        assert_eq!(remote, Sources { seen: vec![files[0].clone()], uploads: vec![folder.path().join("a.csv")] });
        let embedded = Sources::sort(&files, false).unwrap();
        assert_eq!(embedded, Sources { seen: files.to_vec(), uploads: vec![] });
        assert!(Sources::sort(&["nowhere.csv".to_owned()], true).is_err());
    }

    #[tokio::test]
    async fn the_stream_ends_after_every_byte_and_not_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, vec![7; CHUNK + 1]).unwrap();
        let (sender, messages) = upload(IngestHeader::default(), vec![path]);
        let (sent, received) = tokio::join!(sender.send(), messages.collect::<Vec<_>>());
        assert!(sent.is_ok());
        let sizes = received.iter().map(|m| match &m.message {
            Some(Message::Chunk(chunk)) => chunk.bytes.len(),
            _ => 0,
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [0, CHUNK, 1]);

        let (sender, mut messages) = upload(IngestHeader::default(), vec![folder.path().join("gone")]);
        assert!(sender.send().await.is_err());
        assert!(messages.next().await.is_some());
        assert!(futures::poll!(messages.next()).is_pending());
    }
}
