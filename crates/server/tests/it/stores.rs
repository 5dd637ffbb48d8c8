//! What every online store promises, asked through the wire: in memory, RocksDB, RocksDB with copies in memory. The suite in
//! `asof_online` is what they promise to the engine; here is as much of it as a client can see.

use std::sync::atomic::{AtomicBool, Ordering};

use asof_proto::column::v1::column::Values;
use asof_proto::column::v1::{Binaries, Bools, Column, Doubles, Floats, Int32s, Int64s, Lists, Strings};
use asof_proto::jobs::v1::MaterializeRequest;
use asof_proto::push::v1::PushRequest;
use asof_proto::push::v1::push_service_client::PushServiceClient;
use asof_proto::serving::v1::{GetFeaturesRequest, GetFeaturesResponse, Status};
use futures::StreamExt;
use tonic::Code;

use crate::fixture::{Fixture, codes};

const PROJECT: &str = "
    CREATE DATASET facts (id BIGINT, at TIMESTAMP, o BOOLEAN, t TINYINT, s SMALLINT, i INT, b BIGINT, x VARCHAR, r REAL, d DOUBLE,
        n DECIMAL(38,4), y BINARY, e DATE, m TIMESTAMP, l VARCHAR[]) TIMESTAMP at;
    CREATE DATASET trips (origin VARCHAR, dest VARCHAR, at TIMESTAMP, delay BIGINT) TIMESTAMP at;
    CREATE ENTITY thing KEY (id BIGINT);
    CREATE ENTITY route KEY (origin VARCHAR, dest VARCHAR);
    CREATE FEATURE VIEW all_of_it ENTITY thing TIMESTAMP at AS SELECT * FROM facts;
    CREATE FEATURE VIEW trip ENTITY route TIMESTAMP at AS SELECT origin, dest, at, delay FROM trips;
    CREATE FEATURE VIEW same ENTITY route TIMESTAMP at AS SELECT origin, dest, at, delay AS again FROM trips;
    CREATE FEATURE SERVICE types AS SELECT o, t, s, i, b, x, r, d, n, y, e, m, l FROM all_of_it;
    CREATE FEATURE SERVICE delays AS SELECT delay, again FROM trip, same;
";

/// A server over each store.
async fn on_every_store(check: impl AsyncFn(&Fixture)) {
    let settings: [(&str, usize, &str); 3] = [("memory:", 0, "test"), ("", 0, "test"), ("", 64 << 20, "serve")];
    for (url, memory, verb) in settings {
        let fixture = Fixture::opened_by(verb, |config| {
            if !url.is_empty() {
                config.online.url = url.to_owned();
            }
            config.online.memory = memory;
        });
        let fixture = fixture.await;
        fixture.apply(PROJECT).await.unwrap();
        check(&fixture).await;
    }
}

fn column(name: &str, values: Values) -> Column {
    Column { name: name.into(), values: Some(values), ..Column::default() }
}

/// With every second row null.
fn gaps(column: Column) -> Column {
    Column { validity: vec![0b0101_0101], ..column }
}

fn ints(values: &[i64]) -> Values {
    Values::Int64s(Int64s { values: values.into() })
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> Values {
    Values::Strings(Strings { values: values.into_iter().map(str::to_owned).collect() })
}

fn decimals(values: [&str; 3]) -> Values {
    Values::Decimals(Strings { values: values.map(str::to_owned).into() })
}

async fn push(fixture: &Fixture, dataset: &str, key: &str, columns: Vec<Column>) {
    let request = PushRequest { dataset: dataset.into(), columns, key: key.into(), ..PushRequest::default() };
    PushServiceClient::new(fixture.channel.clone()).push(request).await.unwrap();
}

/// Trips between places, each with its time in seconds and its delay.
async fn trips(fixture: &Fixture, key: &str, rows: &[(&str, &str, i64, i64)]) {
    let times = rows.iter().map(|row| row.2 * 1_000_000).collect();
    let columns = vec![
        column("origin", texts(rows.iter().map(|row| row.0))),
        column("dest", texts(rows.iter().map(|row| row.1))),
        column("at", Values::Timestamps(Int64s { values: times })),
        column("delay", ints(&rows.iter().map(|row| row.3).collect::<Vec<_>>())),
    ];
    push(fixture, "trips", key, columns).await;
}

async fn materialize(fixture: &Fixture) {
    let mut events = fixture.jobs().materialize(MaterializeRequest::default()).await.unwrap().into_inner();
    while let Some(event) = events.next().await {
        event.unwrap();
    }
}

async fn get(fixture: &Fixture, service: &str, columns: Vec<Column>) -> Result<GetFeaturesResponse, tonic::Status> {
    let request = GetFeaturesRequest { service: service.into(), columns, ..GetFeaturesRequest::default() };
    fixture.serving().get_features(request).await.map(tonic::Response::into_inner)
}

/// The delays of pairs of places, none where there is none; both views say the same.
async fn delays(fixture: &Fixture, pairs: &[(&str, &str)]) -> Vec<Option<i64>> {
    let columns = vec![
        column("origin", texts(pairs.iter().map(|pair| pair.0))),
        column("dest", texts(pairs.iter().map(|pair| pair.1))),
    ];
    let reply = get(fixture, "delays", columns).await.unwrap();
    let feature = |n: usize| -> Vec<Option<i64>> {
        let feature = &reply.features[n];
        let Some(Values::Int64s(values)) = feature.values.as_ref().and_then(|c| c.values.as_ref()) else {
            panic!("integers")
        };
        let statuses = feature.statuses.iter().map(|status| Status::try_from(i32::from(*status)).unwrap());
        values
            .values
            .iter()
            .zip(statuses)
            .map(|(value, status)| (status == Status::Present).then_some(*value))
            .collect()
    };
    let found = feature(0);
    assert_eq!(found, feature(1));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_published_says_so() {
    on_every_store(async |fixture| {
        let status = get(fixture, "types", vec![column("id", ints(&[1]))]).await.unwrap_err();
        assert_eq!(codes(&status), (Code::FailedPrecondition, "not_materialized".into()));
        assert!(status.message().contains("all_of_it"), "{}", status.message());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_to_the_bit() {
    let nan = f64::from_bits(0x7ff8_dead_beef_0001);
    let small = |list: [i64; 3]| ints(&list);
    let lists = Lists {
        offsets: vec![0, 2, 2, 3],
        items: Some(Box::new(Column { r#type: "VARCHAR".into(), ..column("item", texts(["a", "", "é"])) })),
    };
    let values = vec![
        column("o", Values::Bools(Bools { values: vec![true, false, false] })),
        column("t", small([i8::MIN.into(), 0, i8::MAX.into()])),
        column("s", small([i16::MIN.into(), 0, i16::MAX.into()])),
        column("i", small([i32::MIN.into(), 0, i32::MAX.into()])),
        column("b", small([i64::MIN, 0, i64::MAX])),
        column("x", texts(["é\0", "", ""])),
        column("r", Values::Floats(Floats { values: vec![f32::from_bits(0x7fc0_1234), 0.0, -0.0] })),
        column("d", Values::Doubles(Doubles { values: vec![nan, 0.0, -0.0] })),
        Column {
            r#type: "DECIMAL(38,4)".into(),
            ..column("n", decimals(["-8507059173023461586584365185794205.4000", "0.0000", "0.0007"]))
        },
        column("y", Values::Binaries(Binaries { values: vec![b"\0\xff".to_vec(), Vec::new(), Vec::new()] })),
        column("e", Values::Dates(Int32s { values: vec![-700_000, 0, 19_000] })),
        column("m", Values::Timestamps(Int64s { values: vec![-1, 0, 1] })),
        column("l", Values::Lists(Box::new(lists))),
    ];
    on_every_store(async |fixture| {
        materialize_nothing(fixture).await;
        let mut columns =
            vec![column("id", ints(&[1, 2, 3])), column("at", Values::Timestamps(Int64s { values: vec![1; 3] }))];
        columns.extend(values.iter().map(|column| gaps(column.clone())));
        push(fixture, "facts", "", columns).await;
        // As they were pushed, and as they are published.
        for _ in 0..2 {
            // Integers of every width find the key.
            let asked = [("TINYINT", [3, 1]), ("INT", [3, 1]), ("BIGINT", [3, 1])];
            for (r#type, ids) in asked {
                let ids = Column { r#type: r#type.into(), ..column("id", ints(&ids)) };
                let reply = get(fixture, "types", vec![ids]).await.unwrap();
                for (feature, written) in reply.features.iter().zip(&values) {
                    assert_eq!(feature.statuses, [Status::Present as u8; 2], "{}", written.name);
                    let found = feature.values.as_ref().unwrap();
                    assert_eq!(bits(found, 0), bits(written, 2), "{}", written.name);
                    assert_eq!(bits(found, 1), bits(written, 0), "{}", written.name);
                }
            }
            let reply = get(fixture, "types", vec![column("id", ints(&[2, 4]))]).await.unwrap();
            let [null, missing] = [Status::Null, Status::Missing].map(|status| status as u8);
            reply.features.iter().for_each(|feature| assert_eq!(feature.statuses, [null, missing]));
            materialize(fixture).await;
        }
    })
    .await;
}

/// A service needs its views published, if only empty.
async fn materialize_nothing(fixture: &Fixture) {
    push(
        fixture,
        "facts",
        "",
        vec![column("id", ints(&[0])), column("at", Values::Timestamps(Int64s { values: vec![0] }))],
    )
    .await;
    trips(fixture, "", &[("", "nowhere", 0, 0)]).await;
    materialize(fixture).await;
}

/// One value of a column, so that it can be compared to the bit.
fn bits(column: &Column, row: usize) -> String {
    match column.values.as_ref().unwrap() {
        Values::Doubles(values) => values.values[row].to_bits().to_string(),
        Values::Floats(values) => values.values[row].to_bits().to_string(),
        Values::Lists(lists) => {
            let (from, to) = (lists.offsets[row] as usize, lists.offsets[row + 1] as usize);
            let items = lists.items.as_ref().unwrap();
            format!("{:?}", (from..to).map(|item| bits(items, item)).collect::<Vec<_>>())
        }
        Values::Bools(values) => values.values[row].to_string(),
        Values::Int64s(values) | Values::Timestamps(values) => values.values[row].to_string(),
        Values::Dates(values) => values.values[row].to_string(),
        Values::Strings(values) | Values::Decimals(values) => values.values[row].clone(),
        Values::Binaries(values) => format!("{:?}", values.values[row]),
        Values::Nulls(_) => panic!("a null"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_keys_are_confused_and_null_is_none() {
    on_every_store(async |fixture| {
        materialize_nothing(fixture).await;
        let parts = ["", "\0", "\0\0", "a", "a\0", "\0a", "aa", "b"];
        let pairs: Vec<(&str, &str)> = parts.iter().flat_map(|a| parts.iter().map(|b| (*a, *b))).collect();
        let rows: Vec<_> = pairs.iter().enumerate().map(|(n, (a, b))| (*a, *b, 1, n as i64)).collect();
        trips(fixture, "", &rows).await;
        for _ in 0..2 {
            assert_eq!(delays(fixture, &pairs).await, (0..pairs.len() as i64).map(Some).collect::<Vec<_>>());
            let null = Column { validity: vec![0b10], ..column("origin", texts(["a", "a"])) };
            let reply = get(fixture, "delays", vec![null, column("dest", texts(["a", "a"]))]).await.unwrap();
            assert_eq!(reply.features[0].statuses, [Status::Missing as u8, Status::Present as u8]);
            materialize(fixture).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_row_wins_in_any_order_and_a_key_counts_once() {
    on_every_store(async |fixture| {
        materialize_nothing(fixture).await;
        trips(fixture, "", &[("a", "b", 5, 1), ("a", "c", 9, 2)]).await;
        trips(fixture, "again", &[("a", "b", 7, 3)]).await;
        trips(fixture, "again", &[("a", "b", 7, 3)]).await;
        // Late, and of the same time, which the later one wins.
        trips(fixture, "", &[("a", "b", 6, 4), ("a", "c", 9, 5)]).await;
        for _ in 0..2 {
            assert_eq!(delays(fixture, &[("a", "b"), ("a", "c"), ("b", "a")]).await, [Some(3), Some(5), None]);
            materialize(fixture).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_pushes_while_views_are_published() {
    on_every_store(async |fixture| {
        let pairs: Vec<(String, String)> = (0..20).map(|n| ("from".to_owned(), format!("to {n}"))).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        // One push gives all keys one value.
        let all = |value: i64| pairs.iter().map(|(a, b)| (*a, *b, value, value)).collect::<Vec<_>>();
        materialize_nothing(fixture).await;
        trips(fixture, "", &all(1)).await;
        let done = AtomicBool::new(false);
        let read = async {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let found = delays(fixture, &pairs).await;
                let value = found[0].unwrap();
                assert!(value >= seen, "{value} after {seen}");
                seen = value;
                assert_eq!(found, vec![Some(value); pairs.len()]);
            }
        };
        let write = async {
            for value in 2..30 {
                trips(fixture, "", &all(value)).await;
                if value % 7 == 0 {
                    materialize(fixture).await;
                }
            }
            done.store(true, Ordering::Relaxed);
        };
        tokio::join!(read, write);
        assert_eq!(delays(fixture, &pairs).await, vec![Some(29); pairs.len()]);
    })
    .await;
}
