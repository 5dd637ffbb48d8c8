//! Training sets in less memory than they take: the same to the bit.

use serde_json::json;

use crate::flights::{Flights, ingested};

/// Twenty thousand spine rows take some megabytes; what there is for them is too little for the spine alone.
#[test]
fn a_training_set_beyond_memory_is_the_same_to_the_bit() {
    let project = ingested(&Flights::generate(20_000));
    let trained = project.json(&["train", "delays"]);
    assert_eq!(trained["training_set"]["rows"], json!(20_000));
    let settings = project.read("asof.toml");
    assert!(settings.contains("memory = \"256MiB\""), "{settings}");
    project.write("asof.toml", settings.replace("256MiB", "1MiB"));
    assert_eq!(project.json(&["rebuild", "delays@1", "--check"])["equal"], json!(true));

    // Less than one row takes is refused, with the remedy.
    project.write("asof.toml", settings.replace("256MiB", "1KiB"));
    let refused = project.asof(&["rebuild", "delays@1", "--check"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("out_of_memory") && refused.stderr.contains("memory in [offline]"), "{refused:?}");
}
