//! Files that come with an ingest because the server cannot see them itself.
//!
//! Each is written to a folder of its own, under its own name as far as that is harmless, since the name tells
//! the format. They are gone when the [`Upload`] is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asof_engine::Progress as _;
use asof_model::{Error, ErrorKind, Result};
use asof_proto::jobs::v1::ingest_request::Message;
use asof_proto::jobs::v1::{FileChunk, IngestHeader, IngestRequest};
use futures::{Stream, StreamExt};
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tonic::Status;

use crate::events::Reporter;
use crate::spool::{Spool, failure};

/// The most files of one call.
const MAX_FILES: usize = 10_000;
/// The longest name kept of a file, in bytes: its end, which tells the format.
const MAX_NAME: usize = 120;

/// A received request: what is to be done, and the files on this side.
pub(super) struct Upload {
    pub(super) header: IngestHeader,
    files: Vec<Received>,
    /// Made with the first file.
    folder: Option<TempDir>,
}

/// One file, as its sender and as this server call it.
struct Received {
    name: String,
    path: PathBuf,
}

impl Upload {
    /// Receives a whole request; gives up when nothing comes for as long as `silence`.
    ///
    /// # Errors
    /// `invalid_request` where messages are out of order, `upload_interrupted`, `too_many_files`.
    pub(super) async fn receive(
        mut messages: impl Stream<Item = Result<IngestRequest, Status>> + Unpin,
        spool: &Spool,
        silence: Duration,
        reporter: &Reporter,
    ) -> Result<Self> {
        let Some(Message::Header(header)) = next(&mut messages, silence).await? else {
            return Err(out_of_order("the first message of an ingest is its header"));
        };
        let mut upload = Upload { header, files: Vec::new(), folder: None };
        let mut file: Option<File> = None;
        let mut received = 0;
        while let Some(message) = next(&mut messages, silence).await? {
            let Message::Chunk(FileChunk { name, bytes }) = message else {
                return Err(out_of_order("an ingest has one header, and chunks of files after it"));
            };
            if file.is_none() || upload.files.last().is_none_or(|f| f.name != name) {
                if let Some(whole) = file.take() {
                    close(whole).await?;
                }
                file = Some(upload.create(name, spool).await?);
            }
            if let Some(file) = &mut file {
                file.write_all(&bytes).await.map_err(|e| failure("an uploaded file", &e))?;
            }
            received += bytes.len() as u64;
            reporter.advance("uploading", received, None);
        }
        if let Some(whole) = file {
            close(whole).await?;
        }
        Ok(upload)
    }

    /// Everything to ingest: what the server reads itself, then the uploaded files.
    pub(super) fn sources(&self) -> Vec<String> {
        let uploaded = self.files.iter().map(|file| file.path.display().to_string());
        self.header.sources.iter().cloned().chain(uploaded).collect()
    }

    /// What the sender calls the uploaded files, by their source.
    pub(super) fn called(&self) -> BTreeMap<String, String> {
        self.files.iter().map(|file| (file.path.display().to_string(), file.name.clone())).collect()
    }

    async fn create(&mut self, name: String, spool: &Spool) -> Result<File> {
        if self.files.len() == MAX_FILES {
            let message = format!("more than {MAX_FILES} files in one ingest");
            return Err(
                Error::new(ErrorKind::Invalid, "too_many_files", message).remedy("ingest them in several calls")
            );
        }
        let folder = match &mut self.folder {
            Some(folder) => folder,
            none => none.insert(spool.folder()?),
        };
        let own = folder.path().join(self.files.len().to_string());
        let path = own.join(harmless(&name));
        let make = async {
            tokio::fs::create_dir(&own).await?;
            File::create_new(&path).await
        };
        let file = make.await.map_err(|e| failure("an uploaded file", &e))?;
        self.files.push(Received { name, path });
        Ok(file)
    }
}

async fn next(
    messages: &mut (impl Stream<Item = Result<IngestRequest, Status>> + Unpin),
    silence: Duration,
) -> Result<Option<Message>> {
    let interrupted = |why: &str| {
        Error::new(ErrorKind::Unavailable, "upload_interrupted", format!("the upload was interrupted: {why}"))
            .remedy("nothing was ingested; send it again")
    };
    match tokio::time::timeout(silence, messages.next()).await {
        Err(_) => Err(interrupted(&format!("nothing came for {} seconds", silence.as_secs()))),
        Ok(None) => Ok(None),
        Ok(Some(Err(status))) => Err(interrupted(status.message())),
        Ok(Some(Ok(IngestRequest { message: Some(message) }))) => Ok(Some(message)),
        Ok(Some(Ok(IngestRequest { message: None }))) => Err(out_of_order("a message of an ingest is empty")),
    }
}

/// Waits for what is written in the background, whose error would be lost otherwise.
async fn close(mut file: File) -> Result<()> {
    file.flush().await.map_err(|e| failure("an uploaded file", &e))
}

fn out_of_order(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "invalid_request", why)
}

/// The last part of a path, of characters that mean nothing to a file system or in a glob.
fn harmless(name: &str) -> String {
    let last = Path::new(name).file_name().and_then(|n| n.to_str()).unwrap_or("file");
    let plain = last.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' });
    let plain: String = plain.collect();
    let end = &plain[plain.len().saturating_sub(MAX_NAME)..];
    // What begins with a dot would be hidden, and `.` and `..` are no files.
    format!("{}{}", if end.starts_with('.') { "_" } else { "" }, end)
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::events::events;

    fn header(sources: &[&str]) -> IngestRequest {
        let sources = sources.iter().map(|s| (*s).to_owned()).collect();
        IngestRequest { message: Some(Message::Header(IngestHeader { sources, ..IngestHeader::default() })) }
    }

    fn chunk(name: &str, bytes: &[u8]) -> IngestRequest {
        IngestRequest { message: Some(Message::Chunk(FileChunk { name: name.into(), bytes: bytes.into() })) }
    }

    /// Receives these messages in a store's folder.
    async fn receive(store: &Path, messages: Vec<Result<IngestRequest, Status>>) -> Result<Upload> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let spool = Spool::of(store);
        let mut stream = events(
            move |reporter| async move {
                let messages = stream::iter(messages);
                let upload = Upload::receive(messages, &spool, Duration::from_secs(5), &reporter).await;
                sender.send(upload).await.map_err(Error::internal)
            },
            |_| (),
            |()| (),
        );
        while stream.next().await.is_some() {}
        receiver.recv().await.unwrap()
    }

    #[tokio::test]
    async fn files_arrive_whole_and_leave_nothing_behind() {
        let store = tempfile::tempdir().unwrap();
        let messages = vec![
            Ok(header(&["s3://bucket/x.csv"])),
            Ok(chunk("data/a.csv", b"one,")),
            Ok(chunk("data/a.csv", b"two")),
            Ok(chunk("../../b [1].csv.gz", b"three")),
            Ok(chunk("..", b"")),
        ];
        let upload = receive(store.path(), messages).await.unwrap();
        let sources = upload.sources();
        assert_eq!(sources[0], "s3://bucket/x.csv");
        let content: Vec<_> = sources[1..].iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        assert_eq!(content, ["one,two", "three", ""]);
        let tmp = store.path().join("tmp");
        assert!(sources[1..].iter().all(|path| Path::new(path).starts_with(&tmp)), "{sources:?}");
        assert!(sources[2].ends_with("/1/b__1_.csv.gz"), "{sources:?}");
        let called = upload.called();
        assert_eq!((called[&sources[1]].as_str(), called[&sources[2]].as_str()), ("data/a.csv", "../../b [1].csv.gz"));
        drop(upload);
        assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_is_out_of_order_or_broken_off_is_refused() {
        let store = tempfile::tempdir().unwrap();
        let check = async |messages, code| {
            assert_eq!(receive(store.path(), messages).await.err().map(|e| e.code()), Some(code));
        };
        check(vec![], "invalid_request").await;
        check(vec![Ok(chunk("a.csv", b""))], "invalid_request").await;
        check(vec![Ok(header(&[])), Ok(header(&[]))], "invalid_request").await;
        check(vec![Ok(IngestRequest { message: None })], "invalid_request").await;
        check(vec![Ok(header(&[])), Ok(chunk("a.csv", b"x")), Err(Status::cancelled("gone"))], "upload_interrupted")
            .await;
        assert_eq!(std::fs::read_dir(store.path().join("tmp")).unwrap().count(), 0);
    }
}
