//! Training sets: whole or not at all, the same content the same digest.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, DictionaryArray, Float64Array, Int64Array, LargeStringArray, ListArray, RecordBatch,
    StringArray, StringViewArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::Int32Type;
use asof_model::{Digest, Kind, KnownMoment, Micros, Pinned, RunId, SnapshotNumber, Version};
use asof_offline::{ExportFormat, InputSnapshot, ManifestDraft, Quiet, Store, TrainingOptions, content_digest, export};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use proptest::prelude::*;

use crate::world::name;

fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().map(Ok))))
}

fn batch() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef),
        ("x", Arc::new(Float64Array::from(vec![0.1, f64::NAN, -0.0]))),
        ("s", Arc::new(StringViewArray::from(vec![Some("a"), Some(""), None]))),
    ])
    .unwrap()
}

fn draft(run: i64) -> ManifestDraft {
    let pinned = |kind, text: &str| Pinned {
        kind,
        project: name("p"),
        name: name(text),
        version: Version(1),
        digest: Digest::of(text.as_bytes()),
    };
    ManifestDraft {
        project: name("p"),
        name: name("t"),
        definition: pinned(Kind::TrainingSet, "t"),
        service: pinned(Kind::FeatureService, "s"),
        closure: vec![pinned(Kind::TrainingSet, "t"), pinned(Kind::FeatureService, "s")],
        spine: "SELECT 1".into(),
        options: TrainingOptions { known_at: KnownMoment::At(Micros(5)), statuses: true },
        inputs: vec![InputSnapshot { dataset: name("d"), number: SnapshotNumber(7), content: None }],
        engine: "0".into(),
        run: RunId::new(Micros(run)),
        created: Micros(run),
    }
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).await.unwrap();
    (folder, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_back() {
    for url in ["local", "memory:///root"] {
        let (_folder, local) = store().await;
        let store = if url == "local" { local } else { Store::open(url).await.unwrap() };
        assert!(store.training_sets(&name("p"), &name("t")).await.unwrap().is_empty());
        let manifest = store.write_training_set(draft(1), 1, stream(vec![batch(), batch()]), &Quiet).await.unwrap();
        assert_eq!((manifest.rows, manifest.number, manifest.files.len()), (6, 1, 1));
        assert_eq!(store.manifest(&name("p"), &name("t"), 1).await.unwrap(), manifest);
        assert_eq!(store.training_sets(&name("p"), &name("t")).await.unwrap(), [1]);
        let (digest, rows) =
            content_digest(store.read_training_set(&manifest).await.unwrap(), None, &Quiet).await.unwrap();
        assert_eq!((digest, rows), (manifest.content, 6));
        // The same again by another run: the same data, and another number.
        let again = store.write_training_set(draft(2), 2, stream(vec![batch(), batch()]), &Quiet).await.unwrap();
        assert_eq!((again.content, again.data), (manifest.content, manifest.data));
        assert_eq!(store.training_sets(&name("p"), &name("t")).await.unwrap(), [1, 2]);
        let error = store.manifest(&name("p"), &name("t"), 4).await.unwrap_err();
        assert_eq!(error.message(), "there is no training set `t@4`: there are 1, 2");
    }
}

/// Manifests live longer than the program that wrote them.
#[test]
fn a_manifest_says_in_the_same_words_by_when_things_were_known() {
    let check = |known_at: KnownMoment, written: &str| {
        let options = TrainingOptions { known_at, statuses: false };
        assert_eq!(serde_json::to_string(&options).unwrap(), format!(r#"{{"known_at":{written},"statuses":false}}"#));
        assert_eq!(
            serde_json::from_str::<TrainingOptions>(&serde_json::to_string(&options).unwrap()).unwrap(),
            options
        );
    };
    check(KnownMoment::EventTime, r#""row""#);
    check(KnownMoment::At(Micros(5)), r#"{"moment":5}"#);
    check(KnownMoment::Now, r#""now""#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_given_once_and_a_killed_attempt_is_swept_away() {
    let (folder, store) = store().await;
    let path = folder.path().join("training/p/t/1");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("part-killed-00000.parquet"), "torn").unwrap();
    std::fs::write(path.join("manifest.json#1"), "torn").unwrap();
    assert!(store.training_sets(&name("p"), &name("t")).await.unwrap().is_empty());
    assert_eq!(store.manifest(&name("p"), &name("t"), 1).await.unwrap_err().code(), "unknown_training_set");
    let manifest = store.write_training_set(draft(1), 1, stream(vec![batch()]), &Quiet).await.unwrap();
    assert!(!path.join("part-killed-00000.parquet").exists());
    let error = store.write_training_set(draft(2), 1, stream(vec![batch()]), &Quiet).await.unwrap_err();
    assert_eq!(error.code(), "training_set_exists");
    assert_eq!(store.manifest(&name("p"), &name("t"), 1).await.unwrap(), manifest);
    // A stream that fails leaves nothing.
    let failing = futures::stream::iter([Ok(batch()), Err(datafusion::error::DataFusionError::Plan("x".into()))]);
    let failing = Box::pin(RecordBatchStreamAdapter::new(batch().schema(), failing));
    store.write_training_set(draft(3), 2, failing, &Quiet).await.unwrap_err();
    assert!(!folder.path().join("training/p/t/2").exists());
    // Nor do damaged files pass.
    let part = path.join(&manifest.files[0].path);
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let Err(error) = store.read_training_set(&manifest).await else { panic!("damaged files were read") };
    assert_eq!(error.code(), "corrupt_file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_set_without_rows_has_columns() {
    let (folder, store) = store().await;
    let none = batch().slice(0, 0);
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.write_training_set(draft(1), 1, stream(vec![none]), &Quiet).await }
    });
    let manifest = task.await.unwrap().unwrap();
    let rows = store.read_training_set(&manifest).await.unwrap();
    assert_eq!(rows.schema().fields().len(), 3);
    assert_eq!(content_digest(rows, None, &Quiet).await.unwrap(), (manifest.content, 0));
    let [file] = &manifest.files[..] else { panic!("one file: {:?}", manifest.files) };
    let file = std::fs::File::open(folder.path().join("training/p/t/1").join(&file.path)).unwrap();
    let file = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(file.metadata().file_metadata().num_rows(), 0);
    assert_eq!(file.schema().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["n", "x", "s"]);
}

async fn digest(batches: Vec<RecordBatch>) -> Digest {
    content_digest(stream(batches), None, &Quiet).await.unwrap().0
}

#[tokio::test]
async fn the_digest_sees_values_and_nothing_else() {
    let one = |array: ArrayRef| RecordBatch::try_from_iter([("c", array)]).unwrap();
    let texts = one(Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])));
    for same in [
        one(Arc::new(LargeStringArray::from(vec![Some("a"), None, Some("b")]))),
        one(Arc::new(StringViewArray::from(vec![Some("a"), None, Some("b")]))),
        one(Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("a"), None, Some("b")]))),
    ] {
        assert_eq!(digest(vec![same]).await, digest(vec![texts.clone()]).await);
    }
    let floats = |values: Vec<Option<f64>>| one(Arc::new(Float64Array::from(values)));
    let different = [
        texts,
        one(Arc::new(StringArray::from(vec![Some("ab"), None, Some("")]))),
        one(Arc::new(StringArray::from(vec![Some("a"), Some(""), Some("b")]))),
        one(Arc::new(StringArray::from(vec![None, Some("a"), Some("b")]))),
        floats(vec![Some(0.0)]),
        floats(vec![Some(-0.0)]),
        floats(vec![Some(f64::NAN)]),
        floats(vec![Some(f64::from_bits(f64::NAN.to_bits() | 1))]),
        floats(vec![None]),
        floats(vec![]),
        RecordBatch::try_from_iter([("d", Arc::new(Float64Array::from(vec![0.0])) as ArrayRef)]).unwrap(),
        one(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), Some(vec![])]))),
        one(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![]), Some(vec![Some(1)])]))),
        one(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([None, Some(vec![Some(1)])]))),
    ];
    let mut seen = std::collections::HashSet::new();
    for batch in different {
        assert!(seen.insert(digest(vec![batch.clone()]).await), "{batch:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_digest_does_not_see_batches(
        rows in prop::collection::vec(
            (any::<Option<i64>>(), any::<f64>(), any::<Option<bool>>(), prop::option::of("[a-c]{0,3}"), prop::option::of(prop::collection::vec(any::<Option<i32>>(), 0..3))),
            1..40,
        ),
        cuts in prop::collection::vec(0usize..40, 0..6),
    ) {
        let whole = RecordBatch::try_from_iter([
            ("i", Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()) as ArrayRef),
            ("f", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.1)))),
            ("b", Arc::new(rows.iter().map(|r| r.2).collect::<arrow::array::BooleanArray>())),
            ("s", Arc::new(rows.iter().map(|r| r.3.clone()).collect::<StringArray>())),
            ("l", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.iter().map(|r| r.4.clone())))),
        ]).unwrap();
        let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(rows.len())).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|w| whole.slice(w[0], w[1] - w[0])).collect();
        let copied = concat_batches(&whole.schema(), &pieces).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let expected = digest(vec![whole]).await;
            prop_assert_eq!(digest(pieces).await, expected);
            prop_assert_eq!(digest(vec![copied]).await, expected);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn rows_are_exported() {
    let mut csv = Vec::new();
    assert_eq!(export(stream(vec![batch(), batch()]), ExportFormat::Csv, &mut csv).await.unwrap(), 6);
    let text = String::from_utf8(csv).unwrap();
    assert_eq!(text.lines().take(4).collect::<Vec<_>>(), ["n,x,s", "1,0.1,a", ",NaN,", "3,-0.0,"]);
    let mut empty = Vec::new();
    export(stream(vec![batch().slice(0, 0)]), ExportFormat::Csv, &mut empty).await.unwrap();
    assert_eq!(empty, b"n,x,s\n");
    let mut file = Vec::new();
    export(stream(vec![batch()]), ExportFormat::Arrow, &mut file).await.unwrap();
    let back = arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(file), None).unwrap();
    assert_eq!(back.map(|b| b.unwrap().num_rows()).sum::<usize>(), 3);
    let mut file = Vec::new();
    export(stream(vec![batch()]), ExportFormat::Parquet, &mut file).await.unwrap();
    let back = ParquetRecordBatchReader::try_new(bytes::Bytes::from(file), 10).unwrap();
    assert_eq!(back.map(|b| b.unwrap().num_rows()).sum::<usize>(), 3);
}

#[tokio::test]
async fn a_nested_column_is_not_for_csv() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]);
    assert_eq!(lists.len(), 1);
    let batch = RecordBatch::try_from_iter([("l", Arc::new(lists) as ArrayRef)]).unwrap();
    let mut out = Vec::new();
    let error = export(stream(vec![batch]), ExportFormat::Csv, &mut out).await.unwrap_err();
    assert_eq!((error.code(), error.message()), ("unsupported_type", "column `l` is INT[], which CSV cannot hold"));
    assert!(out.is_empty());
}
