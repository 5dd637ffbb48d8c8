//! Wrong usage: exit code 2, nothing on stdout, and a way out.

use crate::project::Project;

fn check(args: &[&str], says: &str) {
    let said = Project::new().refused(2, args);
    assert!(said.contains(says), "asof {}: {said}", args.join(" "));
}

#[test]
fn wrong_usage_says_what_is_wrong() {
    check(&["aply"], "a similar subcommand exists: 'apply'");
    check(&["demote", "x"], "unrecognized subcommand");
    check(&["promote", "x"], "--to <ENV>");
    check(&["promote", "x", "--to", "prod", "--skip-gates"], "--why <TEXT>");
    check(&["rollback", "x"], "--in <ENV>");
    check(&["approve", "x"], "--for <ENV>");
    check(&["deprecate", "x"], "say it with --why TEXT");
    check(&["deprecate", "x", "--undo", "--successor", "y"], "cannot be used with");
    check(&["plan", "--sample", "0"], "0 is not in 1..=10000");
    check(&["plan", "--sample-at", "2013-01-01"], "--sample <N>");
    check(&["get", "departure_delay", "origin"], "write it as key=value");
    check(&["get", "departure_delay", "=JFK"], "the key is missing");
    check(&["get", "departure_delay", "a=1", "a=2"], "`a` is given twice");
    check(&["get", "departure_delay", "a:=1"], "after `:=` stands null");
    check(&["get", "departure_delay", "--at", "yesterday"], "`yesterday` is not a time");
    check(&["train", "delays", "--out", "delays.xlsx"], "the ending names no format");
    check(&["train", "delays", "--out", "."], "this is a folder");
    check(&["train", "delays", "--known-at", "soon"], "`soon` is not a time");
    check(&["ingest", "flights"], "required arguments were not provided");
    check(&["ingest", "flights", "a.csv", "--format", "xml"], "possible values: csv, json, parquet, arrow");
    check(&["ingest", "flights", "a.csv", "--set", "source"], "write it as COL=VALUE");
    check(&["ingest", "flights", "a.csv", "--set", "a=1", "--set", "a=2"], "--set a is given twice");
    check(&["ls", "tables"], "`tables` is not a kind of object");
    check(&["log", "--verb", "pull"], "invalid value 'pull'");
    check(&["lineage", "x", "--upstream", "--downstream"], "cannot be used with");
    check(&["rebuild", "delays@1"], "--check");
    check(&["verify", "delays", "--samples", "10001"], "10001 is not in 0..=10000");
    check(&["verify", "delays", "--leakage", "--seed", "1"], "cannot be used with");
    check(&["verify", "delays", "--at", "2013-01-01", "--at", "2013-01-02"], "give --at once");
    check(&["verify", "delays", "--leakage", "--at", "soon"], "`soon` is not a time");
    check(&["ls", "--env", "No"], "`No` is not a name");
    check(&["ls", "--server", "ftp://x"], "this is not the URL of a server");
    check(&["serve", "--server", "http://127.0.0.1:1"], "serve opens the store here");
}

#[test]
fn help_and_version_are_answers() {
    let project = Project::new();
    assert!(project.done(&["--version"]).starts_with("asof 0."));
    let help = project.done(&["--help"]);
    for verb in [
        "init",
        "plan",
        "apply",
        "ingest",
        "train",
        "materialize",
        "get",
        "serve",
        "ls",
        "show",
        "log",
        "lineage",
        "explain",
        "rebuild",
        "verify",
        "promote",
        "rollback",
        "diff",
        "model",
        "export",
        "import",
        "gc",
        "approve",
        "deprecate",
    ] {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}: {help}");
    }
}

#[test]
fn without_a_project_no_store_appears() {
    let folder = tempfile::tempdir().unwrap();
    let ended: crate::project::Ended = crate::project::command(folder.path(), &["ls"]).output().unwrap().into();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error[no_project]:"), "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn init_makes_a_project_that_applies_and_touches_nothing_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let asof = |args: &[&str]| -> crate::project::Ended {
        crate::project::command(folder.path(), args).output().unwrap().into()
    };
    assert_eq!(asof(&["init", "shop"]).code, Some(0));
    let applied = crate::project::command(&folder.path().join("shop"), &["apply"]).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    std::fs::write(folder.path().join("shop/example.sql"), "mine").unwrap();
    std::fs::remove_file(folder.path().join("shop/asof.toml")).unwrap();
    let again = asof(&["init", "shop"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("error[already_there]: shop/example.sql is there already"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(folder.path().join("shop/example.sql")).unwrap(), "mine");
    assert!(!folder.path().join("shop/asof.toml").exists());
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let project = Project::new();
    let mut child = project.start(&["--help"]);
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    assert!(status.code().is_some(), "ended by a signal or a panic: {status}");
}
