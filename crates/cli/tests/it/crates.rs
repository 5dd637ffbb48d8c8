//! Arrows between crates point only the way the design says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Who may use whom, without the prefix `asof-`. What is not listed here does not exist.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("exact", &["model"]),
    ("query", &["exact", "model"]),
    ("offline", &["model"]),
    ("online", &["exact", "model"]),
    ("online-rocksdb", &["online", "model"]),
    ("catalog", &["model"]),
    ("lineage", &["model"]),
    ("engine", &["exact", "model", "query", "offline", "online", "catalog", "lineage"]),
    ("proto", &[]),
    // The one place that names backends: it opens each of them.
    ("server", &["model", "engine", "proto", "offline", "online", "online-rocksdb", "catalog"]),
    ("cli", &["server", "proto", "model"]),
];

/// What is wrong with these arrows; empty if nothing is.
fn check(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.into();
    let mut wrong = Vec::new();
    for (from, targets) in arrows {
        let Some(allowed) = table.get(from.as_str()) else {
            wrong.push(format!("the crate `{from}` is not in the design's table"));
            continue;
        };
        let forbidden = targets.iter().filter(|to| !allowed.contains(&to.as_str()));
        wrong
            .extend(forbidden.map(|to| format!("forbidden arrow: {from} → {to} (it may use: {})", allowed.join(", "))));
    }
    let missing = table.keys().filter(|name| !arrows.contains_key(**name));
    wrong.extend(missing.map(|name| format!("the crate `{name}` of the design's table does not exist")));
    wrong
}

#[test]
fn arrows_point_only_the_way_the_design_says() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let mut arrows = BTreeMap::new();
    for package in metadata.workspace_packages() {
        // What only serves the build, or measures, is no part of the house.
        let part = |name: &&str| *name != "unify" && !name.starts_with("bench-");
        let Some(name) = package.name.strip_prefix("asof-").filter(part) else { continue };
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        let targets = normal.filter_map(|d| d.name.strip_prefix("asof-").map(str::to_owned)).collect();
        arrows.insert(name.to_owned(), targets);
    }
    assert_eq!(check(&arrows), Vec::<String>::new());
}

#[test]
fn a_forbidden_arrow_is_named() {
    let mut arrows: BTreeMap<_, _> =
        MAY_USE.into_iter().map(|(name, _)| (name.to_owned(), BTreeSet::<String>::new())).collect();
    arrows.get_mut("offline").unwrap().insert("catalog".to_owned());
    assert_eq!(check(&arrows), ["forbidden arrow: offline → catalog (it may use: model)"]);
}
