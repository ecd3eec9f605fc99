//! What the configuration takes of ids, of times and of providers that go away, and how it says what it does not.

use std::collections::BTreeMap;

use interline_core::route::Moment;

use super::*;

/// Two providers, each with further lines, and a route with further lines.
fn file(first: &str, second: &str, route: &str) -> String {
    let provider = |name: &str, more: &str| {
        format!("[providers.{name}]\nvendor = \"wukongim\"\nbase_url = \"http://127.0.0.1:1\"\n{more}\n")
    };
    let providers = format!("{}{}", provider("a", first), provider("b", second));
    format!("[server]\nauth = \"off\"\n{providers}[[routes]]\nname = \"all\"\nprovider = \"a\"\n{route}\n")
}

fn read_beside(text: &str, table: &str) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.path().join("users.csv"), table).unwrap();
    read(Some(&path), BTreeMap::new(), crate::vendors::all())
}

#[track_caller]
fn wrong(text: &str, table: &str, key: &str, says: &[&str]) {
    let errors = read_beside(text, table).unwrap_err();
    let found = errors.0.iter().find(|error| error.key == key);
    let Some(found) = found else { panic!("nothing is said of {key}: {errors}") };
    for part in says {
        assert!(found.detail.contains(part), "{:?} does not say {part:?}", found.detail);
    }
}

#[test]
fn ids_are_patterns_and_tables_that_go_both_ways() {
    let ids = |rules: &str| file(&format!("[providers.a.ids]\n{rules}"), "", "");
    let table = "user = { file = \"users.csv\" }";
    let config =
        read_beside(&ids(&format!("{table}\ngroup = \"g-{{id}}\"")), "app,vendor\n001,1\n\"x,y\",2\n")
            .unwrap();
    let settings = config.engine_settings().unwrap();
    let rules = &settings.providers[0].ids;
    assert_eq!(rules.user.there("001").unwrap(), "1");
    assert_eq!((&*rules.user.there("x,y").unwrap(), &*rules.group.there("7").unwrap()), ("2", "g-7"));
    assert!(config.files().keys().any(|path| path.ends_with("users.csv")), "{:?}", config.files());
    assert!(config.shown()["providers"]["a"]["ids"]["user"]["ids"] == 2, "{}", config.shown());
    let file = "providers.a.ids.user.file";
    wrong(&ids(table), "id,other\n", file, &["users.csv", "app,vendor"]);
    wrong(&ids(table), "app,vendor\na,1\nb,1\n", file, &["line 3", "line 2", "\"1\""]);
    wrong(&ids(table), "app,vendor\na,1\na,2\n", file, &["line 3", "line 2"]);
    wrong(&ids(table), "app,vendor\na\n", file, &["line 2"]);
    wrong(&ids("user = { file = \"gone.csv\" }"), "", file, &["gone.csv", "cannot read"]);
    wrong(
        &ids("user = { file = \"users.csv\", on_missing = \"guess\" }"),
        "app,vendor\n",
        "providers.a.ids.user.on_missing",
        &["reject", "keep"],
    );
    wrong(&ids("room = \"r\""), "", "providers.a.ids.room", &["{id}", "exactly once"]);
    wrong(&ids("everyone = \"{id}\""), "", "providers.a.ids.everyone", &["user", "group", "room"]);
}

#[test]
fn what_a_provider_drains_to_has_to_stay() {
    let config = read_beside(&file("drain_to = \"b\"", "", ""), "").unwrap();
    let routes = config.engine_settings().unwrap().routes;
    assert_eq!(&**routes.end_of(&"a".into()), "b");
    assert_eq!(config.shown()["providers"]["a"]["drain_to"], "b");
    assert_eq!(config.warnings(), Vec::<String>::new());
    let gone = format!("{}[providers.old]\ndrain_to = \"a\"\n", file("", "", "fallback = [\"b\"]"));
    let config = read_beside(&gone, "").unwrap();
    assert_eq!((config.providers.len(), config.drains.len()), (2, 1));
    wrong(&file("drain_to = \"c\"", "", ""), "", "providers.a.drain_to", &["\"c\"", "a, b"]);
    wrong(&file("drain_to = \"a\"", "", ""), "", "providers.a.drain_to", &["circle"]);
    wrong(&file("drain_to = \"b\"", "drain_to = \"a\"", ""), "", "providers.b.drain_to", &["circle"]);
}

#[test]
fn times_know_the_zones_of_the_world() {
    let read = |between: &str| read_beside(&file("", "", &format!("when = {{ between = {between} }}")), "");
    let config = read("\"09:00-18:00 Europe/Berlin\"").unwrap();
    let holds = |time: &str| {
        let moment = Moment::at(time.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        config.routes[0].when.between.holds(moment.now_ms)
    };
    // Summer time ends on the last Sunday of October.
    assert!(holds("2026-10-24T07:00:00Z") && !holds("2026-10-24T06:59:00Z"));
    assert!(holds("2026-10-26T08:00:00Z") && !holds("2026-10-26T07:59:00Z"));
    assert_eq!(config.shown_routes()[0]["when"]["between"][0], "09:00-18:00 Europe/Berlin");
    let wrongs = ["\"noon\"", "[\"09:00-10:00\", \"09:00-09:00\"]", "\"09:00-10:00 Europe/Atlantis\"", "9"];
    for between in wrongs {
        let errors = read(between).unwrap_err();
        assert_eq!(errors.0[0].key, "routes[0].when.between", "{errors}");
    }
}
