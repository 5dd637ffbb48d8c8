//! What may be wrong with a file, and that what is right with it lasts.

use std::fs;
use std::path::Path;

use asof_catalog::Catalog;
use asof_model::{ErrorKind, Result};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::sample::{apply, dataset, dev, name, project, to};

async fn open(file: &Path) -> Result<Catalog> {
    Catalog::open(&format!("sqlite:{}", file.display())).await
}

/// Something done to the file behind the catalog's back.
async fn meddle(file: &Path, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut db = options.connect().await.unwrap();
    db.execute(statement).await.unwrap();
    db.close().await.unwrap();
}

fn check(opened: Result<Catalog>, kind: ErrorKind, code: &str, text: &str) {
    let error = opened.unwrap_err();
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

#[tokio::test]
async fn what_was_applied_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/folder/catalog.db");
    let flights = dataset("flights", 1, "ts");
    let catalog = open(&file).await.unwrap();
    apply(&catalog, vec![flights.clone()], vec![to("flights", None, 1)]).await.unwrap();
    // Without closing: the write-ahead log is all there is.
    let again = open(&file).await.unwrap();
    assert_eq!(again.current(&project(), &dev(), &name("flights")).await, Ok(Some(flights.clone())));
    catalog.close().await;
    again.close().await;
    assert!(!folder.path().join("new/folder/catalog.db-wal").exists());
    let again = open(&file).await.unwrap();
    assert_eq!(again.current(&project(), &dev(), &name("flights")).await, Ok(Some(flights)));
}

#[tokio::test]
async fn a_file_may_have_any_name_that_a_url_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b#c/ü+&=.db");
    let catalog = open(&file).await.unwrap();
    apply(&catalog, vec![dataset("flights", 1, "ts")], vec![]).await.unwrap();
    assert!(file.exists());
    assert_eq!(open(&file).await.unwrap().names(&project()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_catalog_in_memory_is_its_own() {
    let [one, other] =
        [Catalog::open("sqlite::memory:").await.unwrap(), Catalog::open("sqlite::memory:").await.unwrap()];
    apply(&one, vec![dataset("flights", 1, "ts")], vec![]).await.unwrap();
    assert_eq!(other.names(&project()).await, Ok(vec![]));
    assert_eq!(one.clone().names(&project()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn urls_are_checked() {
    let invalid = "invalid_url";
    check(Catalog::open("catalog.db").await, ErrorKind::Invalid, invalid, "it has no scheme");
    check(Catalog::open("sqlite:").await, ErrorKind::Invalid, invalid, "it names no file");
    check(Catalog::open("sqlite:a.db?mode=x").await, ErrorKind::Invalid, invalid, "mode");
    check(Catalog::open("mysql://localhost/asof").await, ErrorKind::Unsupported, "not_yet", "`mysql:`");
    // Nobody listens there; the password is not told.
    let refused = Catalog::open("postgres://asof:secret@127.0.0.1:9/asof").await;
    check(refused, ErrorKind::Unavailable, "catalog_unavailable", "postgres://asof@127.0.0.1:9/asof");
}

#[tokio::test]
async fn another_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(
        &text,
        "these are notes and no database, and they are longer than a header of SQLite is: 100 bytes and more",
    )
    .unwrap();
    let before = fs::read(&text).unwrap();
    check(open(&text).await, ErrorKind::Corrupt, "not_a_catalog", "notes.txt");
    assert_eq!(fs::read(&text).unwrap(), before);

    let database = folder.path().join("other.db");
    meddle(&database, "CREATE TABLE notes (text TEXT)").await;
    check(open(&database).await, ErrorKind::Corrupt, "not_a_catalog", "not a catalog of Asof");
    meddle(&database, "INSERT INTO notes VALUES ('still mine')").await;
}

#[tokio::test]
async fn a_folder_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    check(open(folder.path()).await, ErrorKind::Precondition, "catalog_unreachable", "unable to open");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    check(
        open(&file.join("catalog.db")).await,
        ErrorKind::Precondition,
        "catalog_unreachable",
        "its folder cannot be made",
    );
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_read_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(&file).await.unwrap();
    apply(&catalog, vec![dataset("flights", 1, "ts")], vec![]).await.unwrap();
    catalog.close().await;
    let catalog = Catalog::open(&format!("sqlite:{}?mode=ro", file.display())).await.unwrap();
    assert_eq!(catalog.names(&project()).await.unwrap().len(), 1);
    let refused = apply(&catalog, vec![dataset("weather", 1, "ts")], vec![]).await.map(|_| catalog);
    check(refused, ErrorKind::Precondition, "catalog_read_only", "readonly");
}

#[tokio::test]
async fn a_file_of_a_newer_asof_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    open(&file).await.unwrap().close().await;
    meddle(&file, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, x'00', 0)").await;
    check(open(&file).await, ErrorKind::Precondition, "other_format", "layout 9999");
}

#[tokio::test]
async fn a_damaged_page_is_an_error_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(&file).await.unwrap();
    apply(&catalog, vec![dataset("flights", 1, "ts")], vec![to("flights", None, 1)]).await.unwrap();
    catalog.close().await;
    let mut bytes = fs::read(&file).unwrap();
    // All pages but the first, which says that this is a catalog.
    bytes[4096..].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let opened = open(&file).await;
    let error = match opened {
        Ok(catalog) => catalog.current(&project(), &dev(), &name("flights")).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.code(), "catalog_corrupt", "{error}");
}

#[tokio::test]
async fn a_definition_that_is_not_the_one_of_its_digest_is_an_error() {
    let check = async |statement: &'static str, text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.db");
        let catalog = open(&file).await.unwrap();
        apply(&catalog, vec![dataset("flights", 1, "ts")], vec![to("flights", None, 1)]).await.unwrap();
        meddle(&file, statement).await;
        let error = catalog.current(&project(), &dev(), &name("flights")).await.unwrap_err();
        assert_eq!(error.code(), "catalog_corrupt");
        assert!(error.to_string().contains(text), "{error}");
    };
    check(r#"UPDATE definition SET body = replace(body, '"ts"', '"tt"')"#, "asof://tour/dataset/flights@1").await;
    check("UPDATE definition SET body = substr(body, 1, 40)", "a definition").await;
}
