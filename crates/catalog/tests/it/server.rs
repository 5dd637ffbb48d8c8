//! What may be wrong with a server. Without one (`ASOF_TEST_POSTGRES`) there is nothing to see here.

use asof_catalog::Catalog;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::sample::{Place, apply, dataset, dev, name, project, shown, to};

/// Something done to the schema behind the catalog's back.
async fn meddle(place: &Place, statement: &str) {
    let mut db = place.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    db.execute(AssertSqlSafe(statement)).await.unwrap();
    db.close().await.unwrap();
}

fn place() -> Option<Place> {
    let place = Place::new();
    (!place.url.starts_with("sqlite:")).then_some(place)
}

fn schema(place: &Place) -> &str {
    place.url.rsplit_once('=').unwrap().1
}

#[tokio::test]
async fn a_schema_of_others_is_refused_and_left_alone() {
    let Some(place) = place() else { return };
    meddle(&place, &format!("CREATE SCHEMA {0}; CREATE TABLE {0}.notes (text TEXT)", schema(&place))).await;
    let (code, text) = shown(Catalog::open(&place.url).await);
    assert_eq!(code, "not_a_catalog");
    assert!(text.contains("options[search_path]=asof"), "{text}");
    meddle(&place, &format!("INSERT INTO {}.notes VALUES ('still mine')", schema(&place))).await;
    meddle(&place, &format!("DROP TABLE {}.notes", schema(&place))).await;
    assert_eq!(place.open().await.names(&project()).await, Ok(vec![]));
}

#[tokio::test]
async fn what_was_applied_is_there_after_opening_again_and_after_the_server_hung_up() {
    let Some(place) = place() else { return };
    let flights = dataset("flights", 1, "ts");
    // Other tests have connections to the same server, which are left alone; where none is hung up, it divides by zero.
    let own = schema(&place);
    let catalog = Catalog::open(&format!("{}&application_name={own}", place.url)).await.unwrap();
    apply(&catalog, vec![flights.clone()], vec![to("flights", None, 1)]).await.unwrap();
    let hang_up = format!(
        "SELECT 1 / count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '{own}' AND state = 'idle'"
    );
    assert_eq!(catalog.current(&project(), &dev(), &name("flights")).await, Ok(Some(flights.clone())));
    meddle(&place, &hang_up).await;
    assert_eq!(catalog.current(&project(), &dev(), &name("flights")).await, Ok(Some(flights.clone())));
    apply(&catalog, vec![dataset("flights", 2, "other")], vec![to("flights", Some(1), 2)]).await.unwrap();
    catalog.close().await;
    assert_eq!(place.open().await.versions(&project(), &name("flights")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_layout_of_a_newer_asof_is_refused() {
    let Some(place) = place() else { return };
    place.open().await.close().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, '', 0)";
    meddle(&place, later).await;
    let (code, text) = shown(Catalog::open(&place.url).await);
    assert_eq!(code, "other_format");
    assert!(text.contains("layout 9999"), "{text}");
}

#[tokio::test]
async fn what_is_damaged_is_an_error_and_no_answer() {
    let Some(place) = place() else { return };
    let catalog = place.open().await;
    apply(&catalog, vec![dataset("flights", 1, "ts")], vec![to("flights", None, 1)]).await.unwrap();
    meddle(&place, r#"UPDATE definition SET body = replace(body, '"ts"', '"tt"')"#).await;
    assert_eq!(catalog.current(&project(), &dev(), &name("flights")).await.unwrap_err().code(), "catalog_corrupt");
}
