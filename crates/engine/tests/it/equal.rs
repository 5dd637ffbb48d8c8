//! Training and serving give the same values, to the bit (law 2).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use asof_engine::{ExportFormat, GetRequest};
use asof_model::{Micros, Status, time::SECOND};
use proptest::prelude::*;

use crate::world::{PROJECT, World, request, trips};

/// The whole training set, read back as Arrow.
pub async fn rows_of(world: &World, reference: &str) -> RecordBatch {
    let path = world.folder.path().join("out.arrow");
    let file = std::fs::File::create(&path).unwrap();
    world.engine.export(&world.scope, &reference.parse().unwrap(), ExportFormat::Arrow, file).await.unwrap();
    let reader = arrow::ipc::reader::FileReader::try_new(std::fs::File::open(&path).unwrap(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(|b| b.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Bits of a column, so that NaN equals itself and 0.0 does not equal -0.0.
pub fn bits(column: &ArrayRef) -> Vec<Option<String>> {
    let show = |i: usize| match column.data_type() {
        arrow::datatypes::DataType::Float64 => {
            format!("{:x}", column.as_primitive::<arrow::datatypes::Float64Type>().value(i).to_bits())
        }
        _ => arrow::util::display::array_value_to_string(column, i).unwrap(),
    };
    (0..column.len()).map(|i| column.is_valid(i).then(|| show(i))).collect()
}

type Trip = (i64, usize, i64, i64, Option<f64>);
const DRIVERS: [&str; 3] = ["ann", "bob", "cleo"];

fn trip() -> impl Strategy<Value = Trip> {
    let fare = prop_oneof![Just(None), (0..9u32).prop_map(|f| Some(f64::from(f) / 3.0))];
    (0..1000i64, 0..DRIVERS.len(), 0..2i64, 0..300i64, fare)
}

/// For every key asked about at `at`: what a one-row spine gives in training is what `get` gives.
async fn check(rows: Vec<Trip>, at: i64) {
    let rows: Vec<_> = rows.iter().map(|(t, d, c, s, f)| (*t, DRIVERS[*d], *c, *s, *f)).collect();
    let world = World::new().await;
    let asked = Micros(at * SECOND);
    let spine = format!(
        "CREATE DATASET asked (driver VARCHAR, city BIGINT, distance DOUBLE, asked TIMESTAMP) TIMESTAMP asked;
         CREATE TRAINING SET asked_prices FEATURES pricing TIMESTAMP asked AS SELECT driver, city, distance, asked FROM asked;{PROJECT}"
    );
    world.apply(&spine).await.unwrap();
    let file = world.file("trips.csv", &trips(&rows));
    world.ingest("trips", &file).await.unwrap();
    let mut questions = vec![(None, Some(0), 0.5), (Some("nobody"), Some(1), 1.5), (Some("ann"), None, 2.5)];
    questions.extend(DRIVERS.iter().flat_map(|d| [0, 1].map(|c| (Some(*d), Some(c), 10.0 / 3.0))));
    let mut text = "driver,city,distance,asked\n".to_owned();
    for (driver, city, distance) in &questions {
        let city = city.map(|c| c.to_string()).unwrap_or_default();
        text += &format!("{},{city},{distance},{asked}\n", driver.unwrap_or_default());
    }
    let file = world.file("asked.csv", &text);
    world.ingest("asked", &file).await.unwrap();
    world.train("asked_prices").await.unwrap();
    let trained = rows_of(&world, "asked_prices@1").await;
    world.materialize(&[], Some(asked)).await.unwrap();
    let reply = world.get(request(&questions), Some(asked)).await.unwrap();
    // Rows apart take the way over columns where `get` reads in place.
    let again = GetRequest { service: "pricing".parse().unwrap(), rows: request(&questions), at: Some(asked) };
    let apart = world.engine.get_apart(&world.scope, again, Vec::new()).await.unwrap();
    for (i, column) in reply.features.columns().iter().enumerate() {
        assert_eq!(bits(column), bits(apart.features.column(i)));
        assert_eq!(reply.details[i].statuses, apart.details[i].statuses);
    }
    for (i, field) in reply.features.schema().fields().iter().enumerate() {
        let name = field.name();
        let (offline, online) = (trained.column_by_name(name).unwrap(), reply.features.column(i));
        assert_eq!(bits(offline), bits(online), "{name} at {at} over {rows:?}");
        let offline = trained.column_by_name(&format!("{name}__status")).unwrap();
        let online = reply.details[i].statuses.iter().map(|s| Status::from_u8(s.unwrap()).unwrap().to_string());
        let online: ArrayRef = Arc::new(online.map(Some).collect::<arrow::array::StringArray>());
        assert_eq!(bits(offline), bits(&online), "status of {name} at {at} over {rows:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn serving_gives_what_training_gives(rows in proptest::collection::vec(trip(), 1..40), at in 0..400i64) {
        tokio::runtime::Runtime::new().unwrap().block_on(check(rows, at));
    }
}
