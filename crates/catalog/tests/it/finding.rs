//! From a reference to a version, and what an error says.

use asof_catalog::Listed;
use asof_model::{Digest, Kind, Pinned, Version};

use crate::sample::{apply, dataset, dev, memory, name, owned, project, shown, view, with};

/// What a reference means, or the error's code and text.
async fn check(
    catalog: &asof_catalog::Catalog,
    reference: &str,
    wanted: Option<Kind>,
    expected: Result<&str, (&str, &str)>,
) {
    let found = catalog.resolve(&project(), &dev(), &reference.parse().unwrap(), wanted).await;
    match expected {
        Ok(expected) => assert_eq!(found.unwrap().pinned.reference(), expected, "{reference}"),
        Err((code, text)) => assert_eq!(shown(found), (code, text.to_owned()), "{reference}"),
    }
}

#[tokio::test]
async fn references_find_what_they_mean() {
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    let second = dataset("flights", 2, "other");
    apply(&catalog, vec![second.clone()], vec![]).await.unwrap();
    check(&catalog, "flights", None, Ok("flights@1")).await;
    check(&catalog, "tour/flights", Some(Kind::Dataset), Ok("flights@1")).await;
    check(&catalog, "flights@2", None, Ok("flights@2")).await;
    check(&catalog, "flights@dev", None, Ok("flights@1")).await;
    check(&catalog, "flights@latest", None, Ok("flights@2")).await;
    let digest = second.pinned.digest.hex();
    check(&catalog, &format!("flights@sha256:{}", &digest[..8]), None, Ok("flights@2")).await;
    check(&catalog, &format!("flights@sha256:{digest}"), None, Ok("flights@2")).await;
}

#[tokio::test]
async fn what_is_not_there_is_explained() {
    let flights = dataset("flights", 1, "ts");
    let catalog = with(vec![flights.clone(), view("carrier_delays", 1, "SELECT 1", &[&flights])]).await;
    for version in [2, 3, 5] {
        apply(&catalog, vec![dataset("flights", version, &format!("t{version}"))], vec![]).await.unwrap();
    }
    let (view, service) = (Some(Kind::FeatureView), Some(Kind::FeatureService));
    for (reference, wanted, code, text) in [
        (
            "carrier_delay",
            view,
            "unknown_name",
            "there is no feature view `carrier_delay` in project `tour`\n  help: did you mean `carrier_delays`?",
        ),
        (
            "fligths",
            view,
            "unknown_name",
            "there is no feature view `fligths` in project `tour`\n  help: did you mean `flights`?",
        ),
        (
            "planes",
            None,
            "unknown_name",
            "there is no object `planes` in project `tour`\n  help: `asof ls` lists what there is",
        ),
        (
            "shop/flights",
            None,
            "unknown_name",
            "there is no object `flights` in project `shop`\n  help: nothing is registered in this project yet: run `asof apply`",
        ),
        ("flights@4", None, "unknown_version", "there is no `flights@4`\n  help: there is flights@1…3 and flights@5"),
        (
            "flights@99999999999",
            None,
            "unknown_version",
            "there is no `flights@99999999999`\n  help: there is flights@1…3 and flights@5",
        ),
        (
            "carrier_delays@sha256:00000000",
            None,
            "unknown_version",
            "there is no `carrier_delays@sha256:00000000`\n  help: there is carrier_delays@1",
        ),
        (
            "flights@prod",
            None,
            "not_in_environment",
            "environment `prod` has no version of `flights`\n  help: it is flights@1 in `dev`; apply it in `prod`, or ask for one of these",
        ),
        (
            "carrier_delays@1",
            service,
            "wrong_kind",
            "carrier_delays@1 is a feature view; a feature service is needed here\n  help: the project has no feature service yet",
        ),
        (
            "flights@1",
            view,
            "wrong_kind",
            "flights@1 is a dataset; a feature view is needed here\n  help: name a feature view, such as `carrier_delays`",
        ),
    ] {
        check(&catalog, reference, wanted, Err((code, text))).await;
    }
}

#[tokio::test]
async fn a_name_that_no_environment_has_says_so() {
    let catalog = memory().await;
    apply(&catalog, vec![dataset("flights", 1, "ts")], vec![]).await.unwrap();
    let text = "environment `dev` has no version of `flights`\n  help: apply it in `dev`, or ask for a version: flights@latest";
    check(&catalog, "flights", None, Err(("not_in_environment", text))).await;
}

#[tokio::test]
async fn a_digest_that_fits_two_versions_is_refused() {
    // Two contents whose digests begin alike cannot be made; a prefix shorter than a user may write can.
    let catalog = with(vec![dataset("flights", 1, "ts")]).await;
    apply(&catalog, vec![dataset("flights", 2, "other")], vec![]).await.unwrap();
    let selector = asof_model::Selector::Digest(String::new());
    let (code, text) = shown(catalog.select(&project(), &name("flights"), &selector).await);
    assert_eq!(code, "ambiguous_digest");
    assert!(text.contains("may mean flights@1 and flights@2"), "{text}");
}

#[tokio::test]
async fn a_pinned_reference_of_another_catalog_is_refused() {
    let flights = dataset("flights", 1, "ts");
    let catalog = with(vec![flights.clone()]).await;
    assert_eq!(catalog.pinned(&flights.pinned).await, Ok(flights.clone()));
    let other = Pinned { digest: Digest::of(b"other"), ..flights.pinned.clone() };
    assert_eq!(shown(catalog.pinned(&other).await).0, "other_digest");
    let missing = Pinned { version: Version(2), ..flights.pinned };
    assert_eq!(shown(catalog.pinned(&missing).await).0, "unknown_version");
}

#[tokio::test]
async fn a_list_shows_what_is_current_or_else_the_newest() {
    let flights = owned("flights", 1, "ts", "ops");
    let delays = view("delays", 1, "SELECT 1", &[&flights]);
    let catalog = with(vec![delays.clone(), flights.clone()]).await;
    let (later, trains) = (dataset("flights", 2, "other"), dataset("trains", 1, "ts"));
    apply(&catalog, vec![later, trains.clone()], vec![]).await.unwrap();
    let line = |registered: &asof_model::Registered, current, newest| Listed {
        registered: registered.clone(),
        current,
        newest: Version(newest),
    };
    let (flights, trains, delays) = (line(&flights, true, 2), line(&trains, false, 1), line(&delays, true, 1));
    assert_eq!(catalog.list(&project(), &dev(), None).await, Ok(vec![flights.clone(), trains, delays.clone()]));
    assert_eq!(catalog.list(&project(), &dev(), Some(Kind::FeatureView)).await, Ok(vec![delays]));
    let elsewhere = catalog.list(&project(), &name("prod"), Some(Kind::Dataset)).await.unwrap();
    assert_eq!(
        elsewhere.iter().map(|l| (l.current, l.registered.pinned.version.0)).collect::<Vec<_>>(),
        [(false, 2), (false, 1)]
    );
    assert_eq!(
        catalog.names(&project()).await,
        Ok(vec![
            (name("delays"), Kind::FeatureView),
            (name("flights"), Kind::Dataset),
            (name("trains"), Kind::Dataset)
        ])
    );
}
