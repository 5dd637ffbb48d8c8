//! The tour's own definitions are good ones.

use asof_model::Kind;

use crate::project::Project;

#[test]
fn the_tour_applies() {
    let folder = std::path::Path::new("../../sql/flights");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("the tour").map(|f| f.expect("a file").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "sql"));
    files.sort();
    let text: Vec<_> = files.iter().map(|f| std::fs::read_to_string(f).expect("text")).collect();
    let changes = Project::new().apply(&text.join("\n"));
    let order: Vec<_> = changes.iter().map(|c| (c.registered.pinned.kind, c.registered.pinned.name.as_str())).collect();
    let place = |name: &str| order.iter().position(|(_, n)| *n == name).expect(name);
    assert!(place("landings") < place("plane_history") && place("arrival_risk") < place("delays"));
    assert!(order.iter().any(|(kind, _)| *kind == Kind::TrainingSet));
}
