//! What a change does and to whom, what is asked before it goes to prod, and who is warned: as a user meets it.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::environments::ask_only;
use crate::flights::{DEFINITIONS, Flights, LATER, ingested};
use crate::project::{Ended, Project, said};
use crate::serving::Serving;

/// The usual project, online and in prod, where gates ask only what is listed.
fn in_prod(asked: &str) -> Project {
    let project = ingested(&Flights::generate(60));
    ask_only(&project, "prod", asked);
    project.done(&["materialize", "--at", LATER]);
    project.done(&["promote", "departure_delay", "--to", "prod", "--by", "ada"]);
    project
}

/// A feature less, in the view and in the service that reads it.
fn without_temp() -> String {
    DEFINITIONS
        .replace("observed_at, temp, wind_speed FROM", "observed_at, wind_speed FROM")
        .replace("SELECT origin_weather.temp,", "SELECT origin_weather.wind_speed,")
}

#[test]
fn a_plan_says_what_breaks_for_whom_and_the_exit_code_too() {
    let project = in_prod("\"online\"");
    project.done(&["train", "delays"]);
    let code = || project.asof(&["plan", "--exit-code"]).code;
    assert_eq!(code(), Some(0));
    project.write("flights.sql", DEFINITIONS.replace("owner = 'ops'", "owner = 'bi'"));
    assert_eq!(code(), Some(3));
    project.write("flights.sql", DEFINITIONS.replace("'3 hours'", "'6 hours'"));
    assert_eq!(code(), Some(3));
    said("plan_compatible", project.scrub(&project.done(&["plan"])));
    project.write("flights.sql", "CREATE DATASET");
    assert_eq!(code(), Some(1));
    assert_eq!(project.asof(&["plan", "--exit-cod"]).code, Some(2));
    project.write("flights.sql", without_temp());
    assert_eq!(code(), Some(4));
    said("plan_breaking", project.scrub(&project.done(&["plan"])));
    assert_eq!(project.asof(&["plan"]).code, Some(0), "without the option it only tells");

    let plan = project.json(&["plan"]);
    let of = |name: &str| plan["changes"].as_array().unwrap().iter().find(|c| c["definition"]["name"] == name).unwrap();
    let consequence = &of("airport_weather")["consequence"];
    assert_eq!(consequence["compatibility"], json!("breaking"));
    let removed = json!({ "what": "feature", "name": "temp", "before": "DOUBLE", "after": null });
    assert_eq!(consequence["breaks"], json!([removed]));
    let users: Vec<_> = consequence["users"].as_array().unwrap().iter().collect();
    assert_eq!(users[0]["definition"]["name"], json!("departure_delay"));
    assert_eq!((&users[0]["environments"], &users[0]["follows"]), (&json!(["dev", "prod"]), &json!(2)));
    assert_eq!(users[2]["training_set"], json!({ "name": "delays", "number": 1 }));
    let prod = &consequence["environments"][1];
    assert_eq!((&prod["environment"], &prod["protected"], &prod["version"]), (&json!("prod"), &json!(true), &json!(1)));
    assert_eq!(prod["breaks"], json!([removed]));
    assert_eq!(of("flights")["consequence"], Value::Null);
    assert_eq!(plan["recompute"]["views"][0]["version"], json!(2));
    assert_eq!(plan["recompute"]["reads"][0]["dataset"], json!("weather"));

    // What breaks prod is applied and promoted where it is said to be meant.
    said("apply_breaking", project.refused(1, &["apply"]));
    project.done(&["apply", "--allow-breaking"]);
    project.done(&["materialize", "--at", LATER]);
    said("promote_breaking", project.refused(1, &["promote", "departure_delay", "--to", "prod"]));
    let dry = project.asof(&["promote", "departure_delay", "--to", "prod", "--dry-run"]);
    assert_eq!(dry.code, Some(1), "{dry:?}");
    project.done(&["promote", "departure_delay", "--to", "prod", "--allow-breaking"]);
}

#[test]
fn a_plan_shows_values_that_would_differ() {
    let project = ingested(&Flights::generate(60));
    project.write(
        "flights.sql",
        DEFINITIONS.replace(
            "SELECT origin AS airport, observed_at, temp,",
            "SELECT origin AS airport, observed_at, temp * 2 AS temp,",
        ),
    );
    let plan = project.done(&["plan", "--sample", "2"]);
    assert!(plan.contains("airport_weather@1 → airport_weather@2: values differ for 2 of 2 keys"), "{plan}");
    let plan = project.json(&["plan", "--sample", "10", "--sample-at", LATER]);
    let sampled = &plan["sampled"];
    // By then everything has expired.
    assert_eq!(
        (&sampled[0]["rows"], &sampled[0]["differing"], &sampled[0]["at"]),
        (&json!(3), &json!(0), &json!(LATER))
    );
    let plan = project.json(&["plan", "--sample", "10"]);
    let first = &plan["sampled"][0]["differences"][0];
    let doubled = first["before"]["value"].as_f64().unwrap() * 2.0;
    assert_eq!((&first["feature"], first["after"]["value"].as_f64()), (&json!("temp"), Some(doubled)));
    assert_eq!((&first["request"], &first["after"]["status"]), (&json!({ "airport": "EWR" }), &json!("present")));
    assert_eq!(project.json(&["plan"]).get("sampled"), None, "values are compared only where somebody asks");
}

#[test]
fn gates_refuse_with_what_mends_it_and_a_dry_run_tells_all() {
    let project = ingested(&Flights::generate(60));
    project.write("sql/gates/no_nulls.sql", "SELECT airport, observed_at FROM airport_weather WHERE temp > 25");
    // Whatever lies below the folder is applied, but for what the settings name as gates.
    let apply = ["apply"];
    let asks = "\"online\", \"checks\", \"leakage\", \"equal\"]\ngates = [\"sql/gates/no_nulls.sql\"";
    ask_only(&project, "prod", asks);
    let promote = ["promote", "departure_delay", "--to", "prod", "--by", "ada"];
    let dry: Ended = project.asof(&[&promote[..], &["--dry-run", "--output", "json"]].concat());
    assert_eq!(dry.code, Some(1), "{dry:?}");
    let told: Value = serde_json::from_str(&dry.stdout).unwrap();
    let verdicts: Vec<_> = told["gates"].as_array().unwrap().iter().map(|g| (&g["gate"], &g["verdict"])).collect();
    let expected = [
        ("breaking", "passed"),
        ("online", "refused"),
        ("checks", "passed"),
        ("sql/gates/no_nulls.sql", "refused"),
        ("leakage", "passed"),
        ("equal", "refused"),
    ];
    let expected = expected.map(|(gate, verdict)| (json!(gate), json!(verdict)));
    assert_eq!(verdicts, expected.iter().map(|(gate, verdict)| (gate, verdict)).collect::<Vec<_>>());
    let own = told["refusals"].as_array().unwrap().iter().find(|r| r["gate"] == "sql/gates/no_nulls.sql").unwrap();
    assert!(own["reason"].as_str().unwrap().contains("airport = "), "{own}");

    project.done(&["materialize", "--at", LATER]);
    // Which rows it shows is nobody's promise.
    said("gate_of_ones_own", project.refused(1, &promote).split(" rows: ").next().unwrap());
    project.write("sql/gates/no_nulls.sql", "SELECT airport FROM airport_weather WHERE airport IS NULL");
    project.done(&apply);
    let promoted = project.json(&promote);
    assert!(promoted["gates"].as_array().unwrap().iter().all(|g| g["verdict"] == "passed"), "{promoted}");
    let run = &project.json(&["log", "--verb", "promote"])[0];
    assert_eq!(run["notes"]["gates"], json!("breaking, online, checks, sql/gates/no_nulls.sql, leakage, equal"));
    // A gate whose file is gone lets nothing through.
    std::fs::remove_file(project.path().join("sql/gates/no_nulls.sql")).unwrap();
    let refused = project.refused(1, &["promote", "departure_delay@1", "--to", "prod"]);
    assert!(refused.starts_with("error[gate_unreadable]"), "{refused}");
}

#[test]
fn what_the_settings_leave_out_is_asked_of_all_but_the_first_environment() {
    let project = ingested(&Flights::generate(20));
    let gates = |to: &str| {
        let dry = project.asof(&["promote", "departure_delay", "--to", to, "--dry-run", "--output", "json"]);
        let told: Value = serde_json::from_str(&dry.stdout).unwrap();
        told["gates"].as_array().unwrap().iter().map(|g| g["gate"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(gates("staging"), ["online", "fresh", "checks", "leakage", "equal"]);
    assert_eq!(gates("prod"), ["breaking", "online", "fresh", "checks", "leakage", "equal"]);
    for (settings, says) in [
        ("[environment.prd]\napprovals = 1", "[environment.prd] describes no environment"),
        ("[environment.prod]\nbuilt_in = [\"onlne\"]", "`onlne` is not a gate"),
        ("[environment.prod]\napproval = 1", "there is no setting `approval` in [environment.prod]"),
        ("[environment.prod]\napprovals = -1", "environment.prod.approvals"),
    ] {
        let mine = Project::new();
        mine.write("asof.toml", format!("{}\n{settings}\n", mine.read("asof.toml")));
        let refused = mine.refused(1, &["ls"]);
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn approvals_of_others_open_the_way_and_are_kept() {
    let project = ingested(&Flights::generate(20));
    ask_only(&project, "prod", "\"online\"]\napprovals = 1\nprotected = false\n#");
    project.done(&["materialize", "--at", LATER]);
    let promote = ["promote", "departure_delay", "--to", "prod", "--by", "ada"];
    said("not_approved", project.refused(1, &promote));
    project.done(&["approve", "departure_delay", "--for", "prod", "--by", "ada"]);
    project.refused(1, &promote);
    said(
        "approved",
        project.done(&["approve", "departure_delay@1", "--for", "prod", "--by", "bob", "--why", "read it"]),
    );
    said("approved_again", project.done(&["approve", "departure_delay@dev", "--for", "prod", "--by", "bob"]));
    project.done(&promote);
    let moved = &project.json(&["log", "departure_delay@prod"])[0];
    let approvals: Vec<_> = moved["approvals"].as_array().unwrap().iter().map(|a| (&a["who"], &a["why"])).collect();
    assert_eq!(approvals, [(&json!("ada"), &json!(null)), (&json!("bob"), &json!("read it"))]);
    assert!(project.done(&["log", "departure_delay@prod"]).lines().next().unwrap().ends_with("APPROVED BY"));
    let shown = project.done(&["show", "departure_delay"]);
    assert!(shown.contains("approved   for `prod` by bob") && shown.contains(": read it"), "{shown}");
    assert_eq!(project.json(&["show", "departure_delay"])["approvals"].as_array().unwrap().len(), 2);
    let refused = project.refused(1, &["approve", "departure_delay", "--for", "prd"]);
    assert!(refused.starts_with("error[unknown_environment]"), "{refused}");
}

/// What a request over HTTP is answered.
fn over_http(url: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/features HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn whoever_uses_what_is_deprecated_is_warned_once() {
    let project = ingested(&Flights::generate(60));
    project.done(&["materialize", "--at", LATER]);
    let get = ["get", "departure_delay", "origin=JFK", "tailnum=N7", "distance=1", "--at", LATER];
    project.done(&get);
    let server = Serving::start(&project);
    let there = ["--server", &server.url];
    let body = format!(
        "{{\"service\":\"departure_delay\",\"at\":\"{LATER}\",\"entities\":[{{\"origin\":\"JFK\",\"tailnum\":\"N7\",\"distance\":1}}]}}"
    );
    assert_eq!(over_http(&server.url, &body).get("warnings"), None);
    let deprecate =
        ["deprecate", "airport_weather", "--why", "it is in Fahrenheit", "--successor", "plane_history", "--by", "ada"];
    said("deprecated", project.done(&[&deprecate[..], &there].concat()));
    let warning = "warning[deprecated]: departure_delay@1 reads airport_weather@1, which is deprecated: it is in Fahrenheit; use plane_history@1 instead\n";
    let warned = |args: &[&str]| {
        let ended = project.asof(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), warning), "asof {}", args.join(" "));
        ended.stdout
    };
    // A server that runs says so at once, over either protocol.
    warned(&[&get[..], &there].concat());
    let reply = over_http(&server.url, &body);
    assert_eq!(reply["warnings"][0]["code"], json!("deprecated"), "{reply}");
    assert!(reply["warnings"][0]["message"].as_str().unwrap().starts_with("departure_delay@1 reads"), "{reply}");
    assert_eq!(server.stop().code, Some(0));
    let json: Value = serde_json::from_str(&warned(&[&get[..], &["--output", "json"]].concat())).unwrap();
    assert_eq!(json["warnings"][0]["code"], json!("deprecated"));
    warned(&["show", "departure_delay"]);
    let drawn = warned(&["lineage", "departure_delay", "--upstream"]);
    assert!(drawn.contains("airport_weather@1 (feature view, deprecated: it is in Fahrenheit)"), "{drawn}");
    for args in [&["train", "delays"][..], &["plan"], &["apply"]] {
        let ended = project.asof(args);
        assert!(ended.code == Some(0) && ended.stderr.contains("airport_weather@1"), "{ended:?}");
        assert!(ended.stderr.lines().all(|line| line.starts_with("warning[deprecated]: ")), "{ended:?}");
    }
    assert!(project.done(&["ls", "views"]).contains("DEPRECATED: it is in Fahrenheit; use plane_history@1 instead"));
    let shown = project.done(&["show", "airport_weather"]);
    assert!(shown.contains("  deprecated it is in Fahrenheit; use plane_history@1 instead\n"), "{shown}");
    let listed = project.json(&["ls", "views"]);
    assert_eq!((&listed[0]["deprecated"]["who"], &listed[1]["deprecated"]), (&json!("ada"), &Value::Null));
    said("deprecated_not", project.done(&["deprecate", "airport_weather", "--undo"]));
    project.done(&get);
    let usage = project.refused(2, &["deprecate", "airport_weather"]);
    assert!(usage.contains("--why TEXT"), "{usage}");
}

#[test]
fn an_apply_against_a_promote_leaves_one_of_them_whole() {
    let project = in_prod("\"online\"]\nprotected = false\n#");
    project.write("other.sql", DEFINITIONS.replace("'3 hours'", "'6 hours'"));
    project.done(&["apply", "other.sql"]);
    project.done(&["materialize", "--at", LATER]);
    let server = Serving::start(&project);
    let start = |args: &[&str]| project.start(&[args, &["--server", &server.url]].concat());
    for round in 0..6 {
        let (file, version) =
            if round % 2 == 0 { ("other.sql", "departure_delay@1") } else { ("flights.sql", "departure_delay@2") };
        let both = [start(&["apply", file, "--env", "prod"]), start(&["promote", version, "--to", "prod"])];
        for ended in both.map(|child| Ended::from(child.wait_with_output().unwrap())) {
            let conflict =
                ["error[concurrent_apply]", "error[pointer_moved]"].iter().any(|c| ended.stderr.starts_with(c));
            assert!(ended.code == Some(0) || conflict, "{ended:?}");
        }
        let listed = project.json(&["ls", "--env", "prod", "--server", &server.url]);
        let version = |of: &str| {
            listed.as_array().unwrap().iter().find(|l| l["definition"]["name"] == of).unwrap()["definition"]["version"]
                .clone()
        };
        assert_eq!(
            version("departure_delay"),
            version("airport_weather"),
            "in round {round} one went without the other"
        );
    }
}
