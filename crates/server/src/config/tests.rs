use super::*;

/// Loads a file of this text with these variables.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), text).unwrap();
    load_in(folder.path(), None, variables, Overrides::default())
}

fn load_in(here: &Path, file: Option<&Path>, variables: &[(&str, &str)], overrides: Overrides) -> Result<Config> {
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::read(here, file, Variables::of(variables)?, overrides)
}

#[test]
fn later_sources_go_before_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("sql/views");
    std::fs::create_dir_all(&deep).unwrap();
    let text = "[project]\nname = 'flights'\n[server]\nlisten = 'a:1'\nmax_message = '1MiB'\n[offline]\nmemory = '2GiB'\n[online]\nmemory = 0";
    std::fs::write(folder.path().join(FILE), text).unwrap();
    let variables =
        [("ASOF_SERVER_LISTEN", "127.0.0.1:2"), ("ASOF_OFFLINE_MEMORY", "1000"), ("ASOF_OFFLINE_THREADS", "3")];
    let overrides = Overrides { listen: Some("c:3".to_owned()), ..Overrides::default() };

    let config = load_in(&deep, None, &variables, overrides).unwrap();
    assert_eq!(config.project.name.as_str(), "flights");
    assert_eq!(config.project.environments, Project::default().environments);
    assert_eq!((config.server.listen.as_str(), config.server.max_message), ("c:3", 1 << 20));
    assert_eq!((config.offline.memory, config.offline.threads), (1000, Some(3)));
    assert_eq!(config.online.memory, 0);
    assert_eq!(config.file, Some(folder.path().join(FILE)));

    let config = load_in(&deep, None, &variables, Overrides::default()).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:2");
}

#[test]
fn urls_follow_the_store_and_paths_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path).to_str().unwrap().to_owned();
    let urls = |config: &Config| [config.store.url.clone(), config.catalog.url.clone(), config.online.url.clone()];

    let config = load_in(folder.path(), None, &[], Overrides::default()).unwrap();
    assert_eq!(config.file, None);
    let expected = [at(".asof"), at(".asof/catalog.db"), at(".asof/online")];
    assert_eq!(
        urls(&config),
        ["file:", "sqlite:", "rocksdb:"].iter().zip(expected).map(|(s, p)| format!("{s}{p}")).collect::<Vec<_>>()[..]
    );

    std::fs::create_dir(folder.path().join("conf")).unwrap();
    let file = folder.path().join("conf/other.toml");
    std::fs::write(&file, "[store]\nurl = 'data'\n[online]\nurl = 'memory:'").unwrap();
    let config = load_in(folder.path(), Some(Path::new("conf/other.toml")), &[], Overrides::default()).unwrap();
    let expected =
        [format!("file:{}", at("conf/data")), format!("sqlite:{}", at("conf/data/catalog.db")), "memory:".into()];
    assert_eq!(urls(&config), expected);

    let config = load("[store]\nurl = 's3://bucket/x'", &[]).unwrap();
    assert_eq!(urls(&config), ["s3://bucket/x", "", ""]);
    let error = crate::open::store_folder(&config).unwrap_err();
    assert!(error.message().starts_with("[store] url = \"s3://bucket/x\": stores behind `s3:`"), "{error}");
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_was_meant() {
    let check = |text: &str, variables: &[(&str, &str)], code: &str, says: &[&str]| {
        let error = load(text, variables).unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        for part in says {
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    };
    check(
        "[server]\nlistn = 'a:1'",
        &[],
        "unknown_setting",
        &["asof.toml:2:1: there is no setting `listn` in [server]", "did you mean `listen`?", "^^^^^"],
    );
    check(
        "[sever]\nlisten = 'a:1'",
        &[],
        "unknown_setting",
        &["asof.toml:1:1: there is no section `sever`", "did you mean `server`?"],
    );
    check("[server]\nport = 1", &[], "unknown_setting", &["there are: listen, max_message"]);
    check(
        "",
        &[("ASOF_SERVER_LISTN", "x")],
        "unknown_setting",
        &["the variable ASOF_SERVER_LISTN: there is no setting"],
    );
    check("", &[("ASOF_SEVER_LISTEN", "x")], "unknown_setting", &["did you mean ASOF_SERVER_LISTEN?"]);
    check(
        "[offline]\nmemory = 'much'",
        &[],
        "invalid_config",
        &["asof.toml:2:1", "`offline.memory` must be a size such as", "much"],
    );
    check("[server]\nmax_streams = 'x'", &[], "invalid_config", &["asof.toml:2:1", "max_streams"]);
    check("[project]\nname = 'Not A Name'", &[], "invalid_config", &["project.name", "is not a name"]);
    check("[project]\nenvironments = []", &[], "invalid_config", &["environments is empty"]);
    check("[project\n", &[], "invalid_config", &["asof.toml", "line 1"]);
}

#[test]
fn variables_that_are_none_of_ours_are_left_alone() {
    let others = [
        ("ASOF_SERVER", "http://x"),
        ("ASOF_BIN", "x"),
        ("ASOF_SERVICE_HOST", "10.0.0.1"),
        ("ASOF_PORT_7461_TCP", "x"),
    ];
    assert_eq!(load("", &others).unwrap().server, Server::default());
    assert_eq!(load("", &[("ASOF_PROJECT_ENVIRONMENTS", "[lab, live]")]).unwrap().project.environments.len(), 2);
}

#[test]
fn a_section_of_two_words_has_variables_too() {
    let every = |text: &str, variables: &[(&str, &str)]| load(text, variables).map(|c| c.serving_log.every);
    assert_eq!(every("", &[]).unwrap(), 0);
    assert_eq!(every("[serving_log]\nevery = 7", &[]).unwrap(), 7);
    assert_eq!(every("[serving_log]\nevery = 7", &[("ASOF_SERVING_LOG_EVERY", "9")]).unwrap(), 9);
    let error = every("", &[("ASOF_SERVING_LOG_EVRY", "9")]).unwrap_err();
    assert!(error.to_string().contains("did you mean `every`?"), "{error}");
    assert_eq!(every("[serving_log]\nevery = -1", &[]).unwrap_err().code(), "invalid_config");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = load_in(folder.path(), Some(Path::new("none.toml")), &[], Overrides::default()).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("config_not_found", ErrorKind::NotFound));
}

#[test]
fn environments_ask_what_is_listed_and_otherwise_all_but_the_first() {
    use asof_engine::Gate;
    let name = |text: &str| text.parse::<Name>().unwrap();
    let asks = |text: &str, environment: &str| {
        let policy = load(text, &[]).unwrap().rules().policy(&name(environment)).unwrap();
        (policy.gates, policy.approvals, policy.protected)
    };
    assert_eq!(asks("", "dev"), (vec![], 0, false));
    assert_eq!(asks("", "staging"), (Gate::ALL.to_vec(), 0, false));
    assert_eq!(asks("", "prod"), (Gate::ALL.to_vec(), 0, true));
    let text = "[environment.prod]\nbuilt_in = ['equal', 'online']\napprovals = 2\nprotected = false\n[environment.dev]\nprotected = true";
    assert_eq!(asks(text, "prod"), (vec![Gate::Equal, Gate::Online], 2, false));
    assert_eq!(asks(text, "dev"), (vec![], 0, true));
    assert_eq!(load(text, &[]).unwrap().rules().protected(), [name("dev")]);
    // One environment alone is where work goes on.
    assert!(load("[project]\nenvironments = ['only']", &[]).unwrap().rules().protected().is_empty());
}

#[test]
fn gates_of_the_projects_own_lie_beside_the_settings_and_are_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[environment.prod]\ngates = ['sql/gates/a.sql']";
    std::fs::write(folder.path().join(FILE), text).unwrap();
    let config = load_in(folder.path(), None, &[], Overrides::default()).unwrap();
    let (rules, prod) = (config.rules(), "prod".parse().unwrap());
    assert_eq!(rules.policy(&prod).unwrap_err().code(), "gate_unreadable");
    let gate = folder.path().join("sql/gates/a.sql");
    std::fs::create_dir_all(gate.parent().unwrap()).unwrap();
    for sql in ["SELECT 1", "SELECT 2"] {
        std::fs::write(&gate, sql).unwrap();
        let own = rules.policy(&prod).unwrap().own;
        assert_eq!((own[0].name.as_str(), own[0].sql.as_str()), ("sql/gates/a.sql", sql));
    }
    assert_eq!(config.gate_files(), [gate]);
    assert!(rules.policy(&"dev".parse().unwrap()).unwrap().own.is_empty());
}

#[test]
fn where_nothing_else_says_where_events_go_the_standards_own_variables_do() {
    let standard = [("OPENLINEAGE_URL", "http://marquez:5000"), ("OPENLINEAGE_API_KEY", "k")];
    let of = |text: &str, more: &[(&str, &str)]| {
        let variables: Vec<_> = standard.iter().chain(more).copied().collect();
        let Openlineage { url, api_key, .. } = load(text, &variables).unwrap().openlineage;
        (url, api_key)
    };
    let pair = |url: &str, key: &str| (url.to_owned(), key.to_owned());
    assert_eq!(of("", &[]), pair("http://marquez:5000", "k"));
    assert_eq!(of("[openlineage]\nurl = 'console:'", &[]), pair("console:", "k"));
    assert_eq!(of("[openlineage]\nurl = 'console:'", &[("ASOF_OPENLINEAGE_URL", "http://x")]), pair("http://x", "k"));
    assert_eq!(of("", &[("OPENLINEAGE_DISABLED", "true")]), pair("", ""));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), "[openlineage]\nurl = 'file:events.jsonl'\nretry_for = '2s'").unwrap();
    let config = load_in(folder.path(), None, &[], Overrides::default()).unwrap();
    assert_eq!(config.openlineage.url, format!("file:{}/events.jsonl", folder.path().display()));
    assert_eq!(config.openlineage.retry_for, Duration::from_secs(2));
}
