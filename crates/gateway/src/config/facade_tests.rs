//! What `[[facades]]` takes, and how it says what it does not take.

use std::collections::BTreeMap;

use super::*;

/// A file that works, with two apps and two providers, and one façade to be changed.
fn file(server: &str, facade: &str) -> String {
    format!(
        "[server]\n{server}\n[[apps]]\nname = \"shop\"\nkey_sha256 = \"{}\"\n[[apps]]\nname = \"reader\"\n\
         key_sha256 = \"{}\"\nmay = [\"read\"]\n[providers.wk]\nvendor = \"wukongim\"\nbase_url = \"http://127.0.0.1:1\"\n\
         [providers.ne]\nvendor = \"netease\"\nbase_url = \"http://127.0.0.1:1\"\napp_key = \"k\"\napp_secret = \"s\"\n\
         [[routes]]\nname = \"all\"\nprovider = \"wk\"\n[[facades]]\nname = \"legacy\"\n{facade}\n",
        "0".repeat(64),
        "1".repeat(64)
    )
}

const NETEASE: &str = "vendor = \"netease\"\napp_key = \"k\"\napp_secret = \"env:FACADE_SECRET\"\n";

fn read_text(text: &str) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let environment = BTreeMap::from([("FACADE_SECRET".to_owned(), "s-3cret".to_owned())]);
    read(Some(&path), environment, crate::vendors::all())
}

#[track_caller]
fn wrong(server: &str, facade: &str, key: &str, says: &[&str]) {
    let errors = read_text(&file(server, facade)).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    let found = &errors.0[0];
    assert_eq!(found.key, key, "{errors}");
    assert!(found.origin.ends_with("config.toml"), "{errors}");
    for part in says {
        assert!(found.detail.contains(part), "{:?} does not say {part:?}", found.detail);
    }
}

#[test]
fn a_facade_has_its_vendors_defaults_and_never_shows_a_secret() {
    let more = "app = \"shop\"\nroute = \"all\"\nlisten = \"127.0.0.1:8401\"\npassthrough = \"ne\"\n";
    let config = read_text(&file("", &format!("{NETEASE}{more}"))).unwrap();
    let facade = &config.facades[0];
    assert_eq!((facade.mode, facade.answer_within.as_secs()), (Mode::Wait, 4));
    assert_eq!(facade.settings().unwrap()["app_secret"], "s-3cret");
    let shown = config.shown()["facades"][0].clone();
    assert_eq!(
        shown,
        serde_json::json!({
            "name": "legacy", "vendor": "netease", "app": "shop", "route": "all", "listen": "127.0.0.1:8401",
            "mode": "wait", "answer_within": "4s", "passthrough": "ne", "app_key": "***",
            "app_secret": "env:FACADE_SECRET",
        })
    );
    assert!(!config.warnings().iter().any(|warning| warning.contains("ne")), "{:?}", config.warnings());
}

#[test]
fn what_a_facade_names_must_exist() {
    let with = |more: &str| format!("{NETEASE}{more}\n");
    wrong("", &with("app = \"nobody\""), "facades[0].app", &["nobody", "shop"]);
    wrong("", &with("app = \"reader\""), "facades[0].app", &["may not send"]);
    wrong("", &with("route = \"rooms\""), "facades[0].route", &["rooms", "all"]);
    wrong("", &with("passthrough = \"x\""), "facades[0].passthrough", &["no provider", "ne"]);
    wrong("", &with("passthrough = \"wk\""), "facades[0].passthrough", &["wukongim", "netease: ne"]);
    wrong("", &with("listen = \"8401\""), "facades[0].listen", &["IP:PORT"]);
    wrong("", "vendor = \"whatsapp\"", "facades[0].vendor", &["wukongim", "netease"]);
    wrong("", &with("token = \"t\""), "facades[0].token", &["unknown key", "app_secret", "answer_within"]);
    wrong("", &with("answer_within = \"5m\""), "facades[0].answer_within", &["out of range", "1m"]);
}

#[test]
fn durable_is_refused_where_it_would_not_be_true() {
    wrong("", &format!("{NETEASE}mode = \"durable\""), "facades[0].mode", &["netease", "wait"]);
    assert!(read_text(&file("", "vendor = \"wukongim\"\nmode = \"durable\"")).is_ok());
}

#[test]
fn without_credentials_it_is_for_this_machine_alone() {
    let open = "vendor = \"wukongim\"\n";
    let everywhere = "listen = \"0.0.0.0:8400\"";
    wrong(everywhere, open, "facades[0].listen", &["without credentials", "token", "0.0.0.0:8400"]);
    assert!(read_text(&file(everywhere, &format!("{open}listen = \"127.0.0.1:8401\""))).is_ok());
    assert!(read_text(&file(everywhere, &format!("{open}token = \"t\""))).is_ok());
    wrong("", &format!("{open}listen = \"[::]:8401\""), "facades[0].listen", &["[::]:8401"]);
}

#[test]
fn names_are_unique() {
    let twice = format!("{NETEASE}[[facades]]\nname = \"legacy\"\n{NETEASE}");
    wrong("", &twice, "facades[1].name", &["unique"]);
}

#[test]
fn a_missing_secret_is_told_when_it_is_used() {
    let config = read_text(&file("", &NETEASE.replace("FACADE_SECRET", "NOWHERE"))).unwrap();
    let errors = config.engine_settings().unwrap_err();
    assert_eq!(errors.0[0].key, "facades[0].app_secret");
    assert!(errors.0[0].detail.contains("NOWHERE"), "{errors}");
    assert!(config.rehearsal_settings().is_ok(), "nothing is served in a rehearsal");
}
