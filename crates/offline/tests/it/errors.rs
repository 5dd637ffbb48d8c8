//! What is refused, with what words; and that nothing is changed by it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::world::World;

/// Ingests into a dataset with declared columns; the message must be this one (`{}` is the folder), and nothing may
/// have been committed.
async fn check(name: &str, content: impl AsRef<[u8]>, code: &str, message: &str) {
    let mut world = World::new().await;
    world.declare("ts TIMESTAMP; distance BIGINT; carrier VARCHAR NOT NULL; delay DOUBLE");
    world.check("delay_sane", "delay > -120");
    let error = world.ingest_file(name, content).await.expect_err(message);
    let expected = message.replace("{}", world.folder.path().to_str().unwrap());
    assert_eq!((error.code(), error.message()), (code, expected.as_str()));
    assert!(world.snapshot().await.is_none());
    let left: Vec<_> = std::fs::read_dir(world.table()).into_iter().flatten().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

const HEAD: &str = "ts,distance,carrier,delay\n2013-01-01,100,UA,1\n";

fn parquet(columns: &[(&str, &str)]) -> Vec<u8> {
    let arrays = columns.iter().map(|(name, text)| (*name, Arc::new(StringArray::from(vec![*text])) as ArrayRef));
    let batch = RecordBatch::try_from_iter(arrays).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_name_file_row_line_column_and_value() {
    let rows = |rest: &str| format!("{HEAD}{rest}");
    check(
        "f.csv",
        rows("2013-01-02,abc,UA,1\n"),
        "bad_value",
        "{}/f.csv: row 2, line 3, column `distance`: \"abc\" is not a BIGINT",
    )
    .await;
    check(
        "f.csv",
        rows("2013-01-02,\"1\n0\",UA,1\n"),
        "bad_value",
        "{}/f.csv: row 2, line 3, column `distance`: \"1\\n0\" is not a BIGINT",
    )
    .await;
    check(
        "f.csv",
        rows("2013-13-02,1,UA,1\n"),
        "bad_value",
        "{}/f.csv: row 2, line 3, column `ts`: \"2013-13-02\" is not a TIMESTAMP",
    )
    .await;
    check("f.csv", rows(",1,UA,1\n"), "null_timestamp", "{}/f.csv: row 2, line 3: no timestamp (column `ts` is null)")
        .await;
    check(
        "f.csv",
        rows("2013-01-02,1,,1\n"),
        "null_value",
        "{}/f.csv: row 2, line 3, column `carrier`: null, and the column is NOT NULL",
    )
    .await;
    check(
        "f.csv",
        rows("2013-01-02,1,UA,-500\n"),
        "check_failed",
        "{}/f.csv: row 2, line 3: check `delay_sane` failed: delay > -120 (delay = -500.0)",
    )
    .await;
    check("f.csv", rows("2013-01-02,1,UA\n"), "bad_row", "{}/f.csv: row 2, line 3: 3 fields, and the header has 4")
        .await;
    check("f.csv", rows("2013-01-02,1,UA,1,2\n"), "bad_row", "{}/f.csv: row 2, line 3: 5 fields, and the header has 4")
        .await;
    check("f.csv", rows("2013-01-02,1,\"UA,1\n"), "bad_row", "{}/f.csv: row 2, line 3: a quote is never closed").await;
    let latin = [rows("2013-01-02,1,U").as_bytes(), b"\xc4,1\n"].concat();
    check("f.csv", latin, "not_utf8", "{}/f.csv: row 2, line 3, column `carrier`: not valid UTF-8").await;
    // The row number goes on over batches.
    let many = format!("{HEAD}{}2013-01-02,x,UA,1\n", "2013-01-01,100,UA,1\n".repeat(9000));
    check("f.csv", many, "bad_value", "{}/f.csv: row 9002, line 9003, column `distance`: \"x\" is not a BIGINT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_json_and_parquet() {
    check(
        "f.jsonl",
        "{\"ts\":\"2013-01-01\",\"carrier\":\"UA\"}\n\n{\"ts\":\"2013-01-01\",\"distance\":1.5,\"carrier\":\"UA\"}",
        "bad_value",
        "{}/f.jsonl: row 2, line 3, column `distance`: \"1.5\" is not a BIGINT",
    )
    .await;
    check(
        "f.jsonl",
        "{\"ts\":",
        "bad_row",
        "{}/f.jsonl: row 1, line 1: not a JSON object: EOF while parsing a value at column 6",
    )
    .await;
    check(
        "f.jsonl",
        "{\"ts\":1,\"ts\":2}",
        "bad_row",
        "{}/f.jsonl: row 1, line 1: not a JSON object: member `ts` comes twice at column 15",
    )
    .await;
    check(
        "f.json",
        "[{\"ts\":1}]",
        "unreadable_file",
        "{}/f.json: is a JSON array, not JSON lines; turn it into lines: jq -c '.[]'",
    )
    .await;
    check(
        "f.jsonl",
        "{\"ts\":\"2013-01-01\",\"carrier\":{\"a\":1}}",
        "bad_row",
        "{}/f.jsonl: row 1, line 1: column `carrier` is an object, and Asof keeps no nested objects",
    )
    .await;
    check(
        "f.parquet",
        parquet(&[("ts", "2013-01-01"), ("carrier", "UA")]),
        "wrong_type",
        "{}/f.parquet: column `ts` is VARCHAR, and the dataset keeps TIMESTAMP",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_do_not_belong() {
    check("f.csv", "ts,distance,carier\n", "undeclared_column", "{}/f.csv: column `carier` is not declared").await;
    check("f.csv", "ts,distance\n2013-01-01,1\n", "missing_column", "{}/f.csv: no column `carrier`, which is NOT NULL")
        .await;
    check("f.csv", "distance,carrier\n1,UA\n", "missing_column", "{}/f.csv: no column `ts`, which is the TIMESTAMP")
        .await;
    check("f.csv", "ts,carrier,ts\n", "bad_column_name", "{}/f.csv: column `ts` comes twice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_what_they_seem() {
    let unreadable = |name: &'static str, content: Vec<u8>, start: &'static str| async move {
        let world = World::new().await;
        let error = world.ingest_file(name, content).await.expect_err(name);
        let start = format!("{}/{start}", world.folder.path().display());
        assert!(error.code() == "unreadable_file" && error.message().starts_with(&start), "{error}");
    };
    let whole = parquet(&[("ts", "2013-01-01")]);
    unreadable("f.parquet", whole[..whole.len() - 9].to_vec(), "f.parquet: not a readable Parquet file: ").await;
    unreadable("f.parquet", Vec::new(), "f.parquet: not a readable Parquet file: ").await;
    unreadable("f.csv", Vec::new(), "f.csv: is empty, not even a header").await;
    unreadable("f.arrow", b"ARROW1\0\0garbage-and-more".to_vec(), "f.arrow: not a readable Arrow IPC file: ").await;
    unreadable("f.csv.gz", b"\x1f\x8b\x08garbage".to_vec(), "f.csv.gz: damaged gzip data: ").await;
    unreadable("f.zip", b"PK\x03\x04garbage".to_vec(), "f.zip: not a readable zip archive: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_not_there() {
    let world = World::new().await;
    world.file("flights.csv", "ts\n");
    let check = |source: &'static str, code: &'static str, near: Option<&'static str>| {
        let (path, world) = (world.path(source), &world);
        async move {
            let error = world.ingest(&[path.to_str().unwrap()]).await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            let near = near.map(|near| format!("did you mean `{}`?", world.path(near).display()));
            let otherwise = "name a file that is there, a URL, or several files by a glob: data/*.csv";
            assert_eq!(error.remedy_text(), Some(near.as_deref().unwrap_or(otherwise)), "{error}");
            assert!(error.message().contains(source), "{error}");
        }
    };
    check("flihgts.csv", "no_such_file", Some("flights.csv")).await;
    check("*.parquet", "no_such_file", Some("flights.csv")).await;
    check("strange.parquet", "no_such_file", None).await;
    let folder = world.ingest(&[world.folder.path().to_str().unwrap()]).await.unwrap_err();
    assert!(folder.code() == "bad_source" && folder.message().contains("is a folder"), "{folder}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_first_file_tells_no_types() {
    let world = World::new().await;
    let error = world.ingest_file("a.csv", "ts,n\n").await.unwrap_err();
    assert_eq!(error.code(), "nothing_to_infer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_must_fit_and_fill_a_gap() {
    let mut world = World::new().await;
    world.declare("ts TIMESTAMP; n BIGINT");
    let mut check = async |name: &str, value: &str, message: &str| {
        world.options.set = [(name.to_owned(), value.to_owned())].into();
        let error = world.ingest_file("a.csv", "ts\n2013-01-01\n").await.unwrap_err();
        assert!(error.message().ends_with(message), "{error}");
    };
    check("n", "x", "--set n: \"x\" is not a BIGINT").await;
    check("ts", "2013-01-01", "a.csv has the column already").await;
    check("m", "1", "--set: column `m` is not declared").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_there_names_those_that_are() {
    let world = World::new().await;
    let ask = |number| {
        let store = world.store.clone();
        async move {
            let number = Some(asof_model::SnapshotNumber(number));
            store.snapshot(&"p".parse().unwrap(), &"d".parse().unwrap(), number).await.unwrap_err().message().to_owned()
        }
    };
    assert_eq!(ask(3).await, "dataset `d` has no snapshot 3: nothing was ingested yet");
    world.ingest_file("a.csv", "ts\n2013-01-01\n").await.unwrap();
    assert_eq!(ask(3).await, "dataset `d` has no snapshot 3: there is only snapshot 0");
    world.ingest_file("b.csv", "ts\n2013-01-02\n").await.unwrap();
    assert_eq!(ask(3).await, "dataset `d` has no snapshot 3: there are snapshots 0 to 1");
}
