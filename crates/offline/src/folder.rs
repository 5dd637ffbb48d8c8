//! A folder of the store, local or not, and what is done with whole files in it.

use std::path::PathBuf;
use std::sync::Arc;

use asof_model::digest::Digest;
use asof_model::{Error, ErrorKind, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use url::Url;

use crate::durable::Durable;
use crate::failure::{Failure, of_file};
use crate::snapshot::DataFile;

/// How many bytes are moved at once.
const CHUNK: usize = 1 << 20;

/// A folder of the store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// Rooted at the top of the bucket or file system.
    store: Arc<dyn ObjectStore>,
    /// Where query plans find `store`.
    store_url: ObjectStoreUrl,
    url: Url,
    path: Path,
    local: Option<PathBuf>,
}

impl Folder {
    /// The folder at a path or URL.
    pub(crate) fn open(text: &str) -> Result<Self> {
        let bad = |why: String| {
            Error::new(ErrorKind::Invalid, "invalid_url", format!("`{text}` is not a place for a store: {why}")).remedy(
                "write a folder, file:///folder, s3://bucket/folder, gs://bucket/folder or az://container/folder",
            )
        };
        if let Some(path) = local_path(text).map_err(bad)? {
            let path = std::path::absolute(&path).map_err(of_file(&path))?;
            crate::durable::create_folder(&path).map_err(of_file(&path))?;
            // What links and `..` lead to must not change under an open store.
            let path = path.canonicalize().map_err(of_file(&path))?;
            return Ok(Folder {
                store: Arc::new(Durable::new()),
                store_url: ObjectStoreUrl::local_filesystem(),
                url: Url::from_directory_path(&path).map_err(|()| bad("not an absolute path".into()))?,
                path: Path::from_absolute_path(&path).map_err(|e| bad(e.to_string()))?,
                local: Some(path),
            });
        }
        let mut url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let (store, path) = object_store::parse_url_opts(&url, environment()).map_err(|e| bad(e.to_string()))?;
        let store_url = ObjectStoreUrl::parse(&url[..url::Position::BeforePath]).map_err(|e| bad(e.to_string()))?;
        Ok(Folder { store: store.into(), store_url, url, path, local: None })
    }

    /// A folder within this one. The name is trusted: a [`asof_model::Name`], a number or a word of ours.
    pub(crate) fn join(&self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        let mut url = self.url.clone();
        url.set_path(&format!("{}{name}/", url.path()));
        let local = self.local.as_ref().map(|folder| folder.join(name));
        Folder { store: self.store.clone(), store_url: self.store_url.clone(), url, path: self.file(name), local }
    }

    /// The object path of a file in it.
    pub(crate) fn file(&self, name: &str) -> Path {
        self.path.clone().join(name)
    }

    /// Where it is on this machine, if it is.
    pub(crate) fn local(&self) -> Option<&std::path::Path> {
        self.local.as_deref()
    }

    /// Its URL; ends with `/`.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The store, rooted at the top, and the URL that query plans know it by.
    pub(crate) fn store(&self) -> (&Arc<dyn ObjectStore>, &ObjectStoreUrl) {
        (&self.store, &self.store_url)
    }

    /// The store, rooted at this folder.
    pub(crate) fn rooted(&self) -> Arc<dyn ObjectStore> {
        Arc::new(PrefixStore::new(self.store.clone(), self.path.clone()))
    }

    /// The bytes of a file; none where there is no such file.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<bytes::Bytes>> {
        match self.store.get(&self.file(name)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(Failure::from)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Creates a file with all its bytes, durably; false where there is one already.
    pub(crate) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        match self.store.put_opts(&self.file(name), bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Copies a file of this machine into it.
    pub(crate) async fn upload(&self, from: &std::path::Path, name: &str) -> Result<()> {
        let upload = self.store.put_multipart(&self.file(name)).await.map_err(Failure::from)?;
        let mut writer = WriteMultipart::new(upload);
        let mut file = tokio::fs::File::open(from).await.map_err(of_file(from))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).await.map_err(of_file(from))?;
            if read == 0 {
                break;
            }
            writer.wait_for_capacity(4).await.map_err(Failure::from)?;
            writer.write(&chunk[..read]);
        }
        writer.finish().await.map_err(Failure::from)?;
        Ok(())
    }

    /// The names directly in it: folders, then files; each sorted.
    pub(crate) async fn list(&self) -> Result<(Vec<String>, Vec<String>)> {
        let listed = match self.store.list_with_delimiter(Some(&self.path)).await {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => return Ok(Default::default()),
            Err(error) => return Err(Failure::from(error).into()),
        };
        let name = |path: &Path| path.filename().map(str::to_owned);
        let mut folders: Vec<_> = listed.common_prefixes.iter().filter_map(name).collect();
        let mut files: Vec<_> = listed.objects.iter().filter_map(|o| name(&o.location)).collect();
        folders.sort_unstable();
        files.sort_unstable();
        Ok((folders, files))
    }

    /// The files directly in it, each with its size in bytes; sorted.
    pub(crate) async fn sizes(&self) -> Result<Vec<(String, u64)>> {
        let listed = match self.store.list_with_delimiter(Some(&self.path)).await {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(Failure::from(error).into()),
        };
        let named = listed.objects.iter().filter_map(|o| Some((o.location.filename()?.to_owned(), o.size)));
        let mut files: Vec<_> = named.collect();
        files.sort_unstable();
        Ok(files)
    }

    /// Removes a file; one that is not there is fine.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.file(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Failure::from(error).into()),
        }
    }

    /// Removes files that nothing refers to. What cannot be removed stays and harms nobody.
    pub(crate) async fn remove_quietly(&self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if let Err(error) = self.store.delete(&self.file(&name)).await {
                tracing::debug!(%name, %error, "a file that nothing refers to could not be removed");
            }
        }
    }

    /// Reads a data file and compares it with its digest.
    ///
    /// # Errors
    /// `corrupt_file` when it is missing or not what was written.
    pub(crate) async fn verify(&self, file: &DataFile) -> Result<()> {
        let corrupt = |why: String| {
            let message = format!("data file {}{}: {why}", self.url, file.path);
            Error::new(ErrorKind::Corrupt, "corrupt_file", message).remedy("restore the file from a backup")
        };
        let found = match self.store.get(&self.file(&file.path)).await {
            Err(object_store::Error::NotFound { .. }) => return Err(corrupt("it is missing".into())),
            other => other.map_err(Failure::from)?,
        };
        if found.meta.size != file.bytes {
            return Err(corrupt(format!("it has {} bytes, {} were written", found.meta.size, file.bytes)));
        }
        let mut hasher = Sha256::new();
        let mut chunks = found.into_stream();
        while let Some(chunk) = chunks.try_next().await.map_err(Failure::from)? {
            hasher.update(&chunk);
        }
        if Digest::from_bytes(hasher.finalize().into()) != file.digest {
            return Err(corrupt("its bytes are not those that were written".into()));
        }
        Ok(())
    }
}

/// The path that a text names on this machine; none where it is a URL of something else.
pub(crate) fn local_path(text: &str) -> Result<Option<PathBuf>, String> {
    if let Some(rest) = text.strip_prefix("file:") {
        if !rest.starts_with("//") {
            return Ok(Some(rest.into()));
        }
        let url = Url::parse(text).map_err(|e| e.to_string())?;
        return url.to_file_path().map(Some).map_err(|()| "not a path on this machine".into());
    }
    Ok(if text.contains("://") || text.starts_with("memory:") { None } else { Some(text.into()) })
}

/// Settings of object stores (credentials, endpoints), as their own tools read them.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    let known = ["AWS_", "GOOGLE_", "AZURE_"];
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(move |(key, _)| known.iter().any(|prefix| key.starts_with(prefix)))
        .map(|(key, value)| (key.to_ascii_lowercase(), value))
}
