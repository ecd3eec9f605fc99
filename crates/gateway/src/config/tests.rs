//! What the configuration takes, and how it says what it does not take.

use std::collections::BTreeMap;
use std::path::PathBuf;

use interline_core::profile::Rate;
use interline_core::route::Target;

use super::*;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.toml");

/// A file that works, to be changed.
fn working() -> String {
    let vendor = crate::vendors::all()[0].name;
    format!(
        "[server]\nauth = \"keys\"\n[providers.wk-main]\nvendor = \"{vendor}\"\n\
         base_url = \"http://127.0.0.1:1\"\n[[routes]]\nname = \"all\"\nprovider = \"wk-main\"\n"
    )
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read_text(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    read(Some(&path), environment(pairs), crate::vendors::all())
}

/// The one error of a file; key and detail.
fn error(text: &str) -> (String, String) {
    let mut errors = read_text(text, &[]).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    let error = errors.0.remove(0);
    assert!(error.origin.ends_with("config.toml"), "{error}");
    (error.key, error.detail)
}

#[track_caller]
fn wrong(text: &str, key: &str, says: &[&str]) {
    let (found, detail) = error(text);
    assert_eq!(found, key, "{detail}");
    for part in says {
        assert!(detail.contains(part), "{detail:?} does not say {part:?}");
    }
}

#[test]
fn the_shipped_file_runs_as_it_stands() {
    let config = read(Some(Path::new(SHIPPED)), BTreeMap::new(), crate::vendors::all()).unwrap();
    assert_eq!(config.warnings(), Vec::<String>::new());
    assert_eq!(config.providers.len(), 4);
    let settings = config.engine_settings().unwrap();
    assert_eq!((settings.providers.len(), settings.routes.all().len()), (4, 3));
}

#[test]
fn the_shipped_file_states_the_defaults() {
    let config = read(Some(Path::new(SHIPPED)), BTreeMap::new(), crate::vendors::all()).unwrap();
    let bare = read_text(&working(), &[]).unwrap();
    let shown = |config: &Config| {
        let mut shown = config.shown();
        shown["server"]["auth"] = "".into();
        [shown["server"].clone(), shown["ledger"].clone(), shown["delivery"].clone()]
    };
    assert_eq!(shown(&config), shown(&bare));
}

#[test]
fn what_the_shipped_file_shows_in_comments_is_accepted() {
    let text = std::fs::read_to_string(SHIPPED).unwrap();
    let is_key = |line: &str| {
        line.starts_with("[[")
            || line.split_once(" = ").is_some_and(|(key, _)| {
                key.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
            })
    };
    let opened: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        .collect();
    let variables =
        [("WK_TOKEN", "t"), ("OTLP_AUTHORIZATION", "Bearer t"), ("SHOP_WEBHOOK", "a secret of the shop")];
    let config = read_text(&opened.join("\n"), &variables).unwrap();
    assert_eq!(config.apps[0].messages_per_second, Some(5_000));
    assert!(config.engine_settings().unwrap().providers.iter().any(|one| one.settings.contains_key("token")));
}

#[test]
fn unknown_keys_are_named_with_what_is_allowed() {
    wrong(&format!("colour = 1\n{}", working()), "colour", &["unknown", "server", "routes"]);
    wrong(&working().replace("auth", "lisen = \"x\"\nauth"), "server.lisen", &["listen", "max_line_kb"]);
    wrong(
        &working().replace("base_url", "fold = true\nbase_url"),
        "providers.wk-main.fold",
        &["dialect", "token"],
    );
    wrong(
        &format!("{}fallbacks = []\n", working()),
        "routes[0].fallbacks",
        &["unknown", "fallback", "split"],
    );
    wrong(&format!("{}when = {{ kind = \"user\" }}\n", working()), "routes[0].when.kind", &["to", "not"]);
}

#[test]
fn a_fallback_is_another_provider_and_named_once() {
    let fallback = |list: &str| format!("{}fallback = {list}\n", working());
    wrong(&fallback("[]"), "routes[0].fallback", &["empty"]);
    wrong(&fallback("[\"nobody\"]"), "routes[0].fallback", &["nobody", "wk-main"]);
    wrong(&fallback("[\"wk-main\"]"), "routes[0].fallback", &["already"]);
}

#[test]
fn a_time_without_its_unit_is_wrong() {
    wrong(&format!("{}[delivery]\ndeadline = 24\n", working()), "delivery.deadline", &["number", "\"24h\""]);
    wrong(
        &format!("{}[delivery]\ndeadline = \"24\"\n", working()),
        "delivery.deadline",
        &["\"24\"", "\"24h\""],
    );
    wrong(&format!("{}[ledger]\nretention = \"1s\"\n", working()), "ledger.retention", &["1m"]);
}

#[test]
fn numbers_outside_their_range_are_wrong() {
    wrong(&working().replace("auth", "max_body_mb = 0\nauth"), "server.max_body_mb", &["1 to 1024"]);
    wrong(&working().replace("auth", "max_body_mb = -1\nauth"), "server.max_body_mb", &["1 to 1024"]);
    wrong(&working().replace("auth", "max_body_mb = \"9\"\nauth"), "server.max_body_mb", &["without quotes"]);
    wrong(&working().replace("auth", "max_body_mb = 1.5\nauth"), "server.max_body_mb", &["whole number"]);
}

#[test]
fn all_errors_are_told_at_once() {
    let text = working().replace("\"keys\"", "\"maybe\"").replace("http:", "ftp:") + "on_loss = 1\n";
    let errors = read_text(&text, &[("INTERLINE_SERVER__MAX_LINE_KB", "many")]).unwrap_err();
    let keys: Vec<_> = errors.0.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(
        keys,
        ["server.auth", "server.max_line_kb", "providers.wk-main.base_url", "routes[0].on_loss"]
    );
    assert_eq!(errors.0[1].origin, "INTERLINE_SERVER__MAX_LINE_KB");
    assert_eq!(errors.to_string().lines().count(), 5);
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    let (key, detail) = error("[server]\nlisten = \n");
    assert!(key.is_empty() && detail.contains("line 2"), "{detail}");
}

#[test]
fn a_file_that_is_not_there_is_told_with_how_it_was_named() {
    let missing =
        |path: Option<&Path>, pairs| read(path, environment(pairs), Vec::new()).unwrap_err().to_string();
    let text = missing(Some(Path::new("/nowhere/a.toml")), &[]);
    assert!(text.contains("/nowhere/a.toml") && text.contains("--config"), "{text}");
    let text = missing(None, &[("INTERLINE_CONFIG", "/nowhere/b.toml")]);
    assert!(text.contains("/nowhere/b.toml") && text.contains("named by INTERLINE_CONFIG"), "{text}");
}

#[test]
fn auth_is_off_on_loopback_only() {
    let open = |listen: &str| working().replace("\"keys\"", &format!("\"off\"\nlisten = \"{listen}\""));
    wrong(&open("0.0.0.0:8400"), "server.auth", &["loopback", "0.0.0.0:8400"]);
    assert!(read_text(&open("[::1]:8400"), &[]).is_ok());
    wrong(&working().replace("auth", "listen = \"here\"\nauth"), "server.listen", &["IP:PORT"]);
}

#[test]
fn variables_override_and_text_stays_text() {
    let pairs = [
        ("INTERLINE_CONFIG", "ignored.toml"),
        ("INTERLINE_SERVER__MAX_BODY_MB", "1_000"),
        ("INTERLINE_PROVIDERS__WK_MAIN__TOKEN", "007"),
        ("INTERLINE_PROVIDERS__WK_MAIN__ROOM_CHANNEL_TYPE", "10"),
        ("INTERLINE_DELIVERY__DEADLINE", "2h"),
    ];
    let config = read_text(&working(), &pairs).unwrap();
    assert_eq!((config.server.max_body_mb, config.delivery.deadline.as_secs()), (1_000, 7_200));
    let settings = &config.engine_settings().unwrap().providers[0].settings;
    assert_eq!(settings["token"], "007");
    assert_eq!(settings["room_channel_type"], 10);
}

#[test]
fn a_list_is_overridden_as_a_whole() {
    let hash = "0".repeat(64);
    let apps = format!("[{{name=\"a\", key_sha256=\"{hash}\", may=[\"send\"]}}]");
    let config = read_text(&working(), &[("INTERLINE_APPS", &apps)]).unwrap();
    assert!(config.apps[0].may.has(Scope::Send) && !config.apps[0].may.has(Scope::Read));
    let errors = read_text(&working(), &[("INTERLINE_APPS", "[{name=\"a\"}]")]).unwrap_err();
    assert_eq!(
        (errors.0[0].origin.as_str(), errors.0[0].key.as_str()),
        ("INTERLINE_APPS", "apps[0].key_sha256")
    );
}

#[test]
fn unknown_variables_are_named_with_what_is_allowed() {
    let errors = read_text(&working(), &[("INTERLINE_SERVER__LISEN", "x")]).unwrap_err();
    assert_eq!(
        (errors.0[0].origin.as_str(), errors.0[0].key.as_str()),
        ("INTERLINE_SERVER__LISEN", "server.lisen")
    );
    assert!(errors.0[0].detail.contains("listen"));
    let errors = read_text(&working(), &[("INTERLINE_SERVER_LISTEN", "x")]).unwrap_err();
    assert!(errors.to_string().contains("two underscores"), "{errors}");
    assert!(read_text(&working(), &[("INTERLINE_KEY", "il_a_b"), ("OTHER", "x")]).is_ok());
}

#[test]
fn a_missing_secret_is_an_error_when_its_provider_is_used() {
    let text = working().replace("base_url", "token = \"env:WK_TOKEN\"\nbase_url");
    let config = read_text(&text, &[]).unwrap();
    let errors = config.engine_settings().unwrap_err();
    assert_eq!(errors.0[0].key, "providers.wk-main.token");
    assert!(errors.0[0].detail.contains("WK_TOKEN"));
    let config = read_text(&text, &[("WK_TOKEN", "sesame")]).unwrap();
    assert_eq!(config.engine_settings().unwrap().providers[0].settings["token"], "sesame");

    let (head, routes) =
        working().split_once("[[routes]]").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (_, other) = head.split_once("[providers").unwrap();
    let with_token = text.split_once("[[routes]]").unwrap().0;
    let unused = format!("{with_token}[providers{other}[[routes]]{routes}").replacen("wk-main", "idle", 1);
    let config = read_text(&unused, &[]).unwrap();
    let names: Vec<_> =
        config.engine_settings().unwrap().providers.iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, ["wk-main"]);
    assert!(config.warnings().iter().any(|text| text.contains("WK_TOKEN")), "{:?}", config.warnings());
}

#[test]
fn a_secret_in_a_file_loses_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    let text = working().replace("base_url", &format!("token = \"file:{}\"\nbase_url", secret.display()));
    let missing = read_text(&text, &[]).unwrap().engine_settings().unwrap_err();
    assert!(missing.0[0].detail.contains("cannot read the file"), "{missing}");
    std::fs::write(&secret, "sesame\r\n").unwrap();
    let config = read_text(&text, &[]).unwrap();
    assert_eq!(config.engine_settings().unwrap().providers[0].settings["token"], "sesame");
}

#[test]
fn secrets_are_never_shown() {
    let hash = "ab".repeat(32);
    let text = working().replace("base_url", "token = \"sesame\"\nbase_url")
        + &format!("[[apps]]\nname = \"a\"\nkey_sha256 = \"{hash}\"\n");
    let config = read_text(&text, &[]).unwrap();
    for shown in [config.shown().to_string(), format!("{config:?}")] {
        assert!(!shown.contains("sesame") && !shown.contains(&hash), "{shown}");
    }
    assert_eq!(config.shown()["providers"]["wk-main"]["token"], "***");
    let by_name = read_text(&text.replace("sesame", "env:WK_TOKEN"), &[("WK_TOKEN", "sesame")]).unwrap();
    assert_eq!(by_name.shown()["providers"]["wk-main"]["token"], "env:WK_TOKEN");
}

#[test]
fn providers_are_checked_by_their_vendor() {
    wrong(
        &working().replace("base_url", "dialect = \"v9\"\nbase_url"),
        "providers.wk-main.dialect",
        &["v9", "auto"],
    );
    wrong(&working().replace("vendor = \"", "vendor = \"un"), "providers.wk-main.vendor", &["allowed"]);
    wrong(&working().replace("http:", "ftp:"), "providers.wk-main.base_url", &["https://"]);
    let typed = working().replace("base_url", "room_channel_type = \"x\"\nbase_url");
    wrong(&typed, "providers.wk-main.room_channel_type", &[]);
}

#[test]
fn limits_are_read_by_quota_class() {
    let class = crate::vendors::all()[0];
    let class = (class.build)(&interline_core::adapter::Settings::new(), class.dialects[0]).unwrap();
    let class = class.profile().classes[0].name;
    let with = |limits: &str| {
        working().replace("[[routes]]", &format!("[providers.wk-main.limits]\n{limits}\n[[routes]]"))
    };
    let config = read_text(
        &with(&format!(
            "timeout = \"3s\"\nin_flight = 2\n{class} = {{ calls_per_minute = 30, messages_per_second = 4 }}"
        )),
        &[],
    )
    .unwrap();
    let provider = &config.engine_settings().unwrap().providers[0];
    assert_eq!((provider.in_flight, provider.timeout), (Some(2), Some(Duration::from_secs(3))));
    let limits = provider.limits[class];
    assert_eq!((limits.calls, limits.messages), (Some(Rate::per_minute(30)), Some(Rate::per_second(4))));
    wrong(&with("posts = {}"), "providers.wk-main.limits.posts", &["in_flight", class]);
    let (key, detail) = error(&with(&format!("{class} = {{ calls_per_second = 1, calls_per_minute = 1 }}")));
    assert!(key.ends_with("calls_per_minute") && detail.contains("one of the two"));
    let (key, _) = error(&with(&format!("{class} = {{ calls_per_second = 0 }}")));
    assert!(key.ends_with("calls_per_second"));
}

#[test]
fn routes_name_what_there_is() {
    let all = working();
    wrong(
        &all.replace("provider = \"wk-main\"", "provider = \"x\""),
        "routes[0].provider",
        &["\"x\"", "wk-main"],
    );
    wrong(
        &all.replace("provider = \"wk-main\"", "split = { wk-main = 0 }"),
        "routes[0].split.wk-main",
        &["1 to"],
    );
    wrong(&all.replace("provider = \"wk-main\"", "split = {}"), "routes[0].split", &["names no provider"]);
    wrong(&all.replace("provider = \"wk-main\"", "split = { y = 1 }"), "routes[0].split.y", &["wk-main"]);
    wrong(&all.replace("provider = \"wk-main\"", ""), "routes[0].provider", &["split"]);
    wrong(&format!("{all}split = {{ wk-main = 1 }}\n"), "routes[0].split", &["one of the two"]);
    wrong(
        &format!("{all}[[routes]]\nname = \"all\"\nprovider = \"wk-main\"\n"),
        "routes[1].name",
        &["unique"],
    );
    wrong(&format!("{all}when = {{ to = \"team\" }}\n"), "routes[0].when.to", &["team", "group"]);
    wrong(&format!("{all}when = {{ app = \"shop\" }}\n"), "routes[0].when.app", &["shop"]);
    wrong(&format!("{all}when = {{ not = {{}} }}\n"), "routes[0].when.not", &["empty"]);
}

#[test]
fn a_route_behind_one_that_takes_everything_is_warned_of() {
    let text = working() + "[[routes]]\nname = \"late\"\nprovider = \"wk-main\"\n";
    let warnings = read_text(&text, &[]).unwrap().warnings();
    assert!(warnings.iter().any(|text| text.contains("late")), "{warnings:?}");
    let forced = text + "[[facades]]\nname = \"f\"\nvendor = \"wukongim\"\nroute = \"late\"\n";
    let warnings = read_text(&forced, &[]).unwrap().warnings();
    assert!(!warnings.iter().any(|text| text.contains("late")), "{warnings:?}");
}

#[test]
fn conditions_come_through() {
    let text = working()
        + "when = { to = [\"user\", \"group\"], id = \"vip-*\", label = { a = \"b\" }, not = { from = \"x\" } }\n";
    let config = read_text(&text, &[]).unwrap();
    let shown = &config.shown_routes()[0];
    assert_eq!(shown["when"]["to"], serde_json::json!(["user", "group"]));
    assert_eq!(shown["when"]["not"]["from"][0], "x");
    assert!(matches!(&config.routes[0].target, Target::Provider(name) if &**name == "wk-main"));
}

#[test]
fn apps_are_checked() {
    let app = |lines: &str| format!("{}[[apps]]\n{lines}\n", working());
    let hash = format!("key_sha256 = \"{}\"", "0".repeat(64));
    wrong(&app("name = \"a\""), "apps[0].key_sha256", &["keys new"]);
    wrong(&app("name = \"a\"\nkey_sha256 = \"12\""), "apps[0].key_sha256", &["64 hex"]);
    wrong(&app(&format!("name = \"a\"\n{hash}\nmay = [\"fly\"]")), "apps[0].may", &["fly", "broadcast"]);
    wrong(&app(&format!("name = \"a b\"\n{hash}")), "apps[0].name", &["1 to 64"]);
    let twice = app(&format!("name = \"a\"\n{hash}\n[[apps]]\nname = \"b\"\n{hash}"));
    wrong(&twice, "apps[1].key_sha256", &["twice"]);
}

#[test]
fn the_path_may_come_from_a_variable() {
    let path: PathBuf = SHIPPED.into();
    let pairs = environment(&[("INTERLINE_CONFIG", path.to_str().unwrap())]);
    assert_eq!(read(None, pairs, crate::vendors::all()).unwrap().file, path);
}

/// A file that works with two providers and a migration between them, to be changed.
fn migrating(gates: &str) -> String {
    let vendor = crate::vendors::all()[0].name;
    format!(
        "{}[providers.other]\nvendor = \"{vendor}\"\nbase_url = \"http://127.0.0.1:2\"\n\
         [migrations.m]\nroute = \"all\"\nfrom = \"wk-main\"\nto = \"other\"\n{gates}",
        working()
    )
}

#[test]
fn a_migration_is_read_with_its_gates_and_shown() {
    let config =
        read_text(&migrating("gates = { rejected_percent = 2, unknown_percent = 0.5, p95 = \"2s\" }\n"), &[]);
    let config = config.unwrap();
    let gates = config.migrations[0].gates;
    assert_eq!((gates.rejected_percent, gates.unknown_percent), (Some(2.0), Some(0.5)));
    assert_eq!((gates.p95, gates.min_messages), (Some(Duration::from_secs(2)), 100));
    let shown = &config.shown()["migrations"]["m"];
    assert_eq!((&shown["to"], &shown["gates"]["p95"]), (&"other".into(), &"2s".into()), "{shown}");
    assert!(
        !config.warnings().iter().any(|warning| warning.contains("other")),
        "a migration uses its provider"
    );
}

#[test]
fn a_migration_leads_from_a_target_of_its_route_to_another_provider() {
    let change = |from: &str, to: &str| migrating("").replace(from, to);
    wrong(&change("route = \"all\"", "route = \"none\""), "migrations.m.route", &["there are: all"]);
    let turned =
        change("from = \"wk-main\"", "from = \"other\"").replace("to = \"other\"", "to = \"wk-main\"");
    wrong(&turned, "migrations.m.from", &["does not lead", "wk-main"]);
    wrong(&change("to = \"other\"", "to = \"wk-main\""), "migrations.m.to", &["already"]);
    wrong(&change("to = \"other\"", "to = \"nobody\""), "migrations.m.to", &["other, wk-main"]);
    let second = "[migrations.z]\nroute = \"all\"\nfrom = \"wk-main\"\nto = \"other\"\n";
    wrong(&migrating(second), "migrations.z.route", &["the migration m moves this route already"]);
    for (gate, says) in
        [("rejected_percent = 101", "0 to 100"), ("unknown_percent = \"2\"", "without quotes")]
    {
        let key = format!("migrations.m.gates.{}", gate.split(' ').next().unwrap());
        wrong(&migrating(&format!("gates = {{ {gate} }}\n")), &key, &[says]);
    }
    let read = read_text(&migrating("cohort = \"moved.csv\"\n"), &[]).unwrap();
    let cohort = read.migrations[0].cohort.clone().unwrap();
    assert!(
        cohort.is_absolute() && cohort.ends_with("moved.csv"),
        "it is beside the configuration: {cohort:?}"
    );
    let lost = read_text(&migrating("cohort = \"/nowhere/at-all.csv\"\n"), &[]).unwrap().warnings();
    assert!(lost.iter().any(|warning| warning.contains("/nowhere/at-all.csv")), "{lost:?}");
}
