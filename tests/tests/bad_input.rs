//! What is wrong is refused before anything is sent or stored, by a message that names the place, what
//! is wrong there and what is allowed.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use interline_tests::{Place, Ran, Server, Stage, config};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published"))
}

#[track_caller]
fn nothing_happened(server: &Server, stage: &Stage) {
    assert_eq!((stage.calls(), stage.total()), (0, 0), "something was sent");
    assert_eq!(server.batches(), 0, "something was stored");
}

/// A body, the pointer that must be named, and words that must be said there.
type Case = (&'static str, Value, &'static str, &'static [&'static str]);

fn hi(to: &str) -> Value {
    json!({"to": to, "content": {"type": "text", "text": "hi"}})
}

/// A good batch with one thing changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut batch = json!({
        "from": {"id": "shop"},
        "content": {"type": "text", "text": "Hi $name$", "template": true},
        "messages": [
            {"id": "m1", "to": "user:alice", "vars": {"name": "Alice"}},
            {"id": "m2", "to": "group:g1", "content": {"type": "image", "url": "https://example.com/a.png"}},
            {"id": "m3", "to": "room:7", "content": {"type": "custom", "data": {"n": 3}}},
        ],
        "options": {"push": {}}, "extensions": {"netease": {}}, "labels": {},
    });
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = batch.pointer_mut(parent).expect("a parent");
    match parent {
        Value::Array(items) => items[key.parse::<usize>().expect("an index")] = value,
        other => other[key] = value,
    }
    batch
}

fn unknown_fields() -> Vec<Case> {
    let unknown: &[&str] = &["unknown", "allowed"];
    let mut cases = Vec::new();
    for pointer in [
        "/mesages",
        "/from/nick",
        "/content/txt",
        "/messages/0/tos",
        "/messages/1/content/hight",
        "/messages/2/content/datum",
        "/options/bagde",
        "/options/push/tittle",
        "/extensions/wangyi",
    ] {
        cases.push(("unknown field", with(pointer, json!({})), pointer, unknown));
    }
    // An extension is told of by the provider that the message goes to.
    cases.push((
        "unknown key of a vendor",
        with("/extensions/netease/urgent", json!(true)),
        "/extensions/netease/urgent",
        &["allowed"],
    ));
    cases
}

fn wrong_types_and_values() -> Vec<Case> {
    vec![
        ("wrong type", with("/ordered", json!("yes")), "/ordered", &["true or false"]),
        ("wrong type", with("/options/store", json!(1)), "/options/store", &["true or false"]),
        ("wrong type", with("/content/text", json!(5)), "/content/text", &["string"]),
        ("wrong type", with("/messages/0/vars/name", json!(5)), "/messages/0/vars/name", &["string"]),
        ("wrong type", with("/labels/a", json!(5)), "/labels/a", &["string"]),
        ("wrong type", with("/messages/1/content/width", json!(-1)), "/messages/1/content/width", &["0"]),
        ("wrong type", with("/messages/1", json!("user:a")), "/messages/1", &["object"]),
        ("no such content", with("/content/type", json!("txt")), "/content/type", &["txt", "text", "raw"]),
        ("no such value", with("/guarantee", json!("exactly_once")), "/guarantee", &["at_most_once"]),
        ("no such value", with("/on_loss", json!("ignore")), "/on_loss", &["degrade", "reject"]),
        ("no such value", with("/validation", json!("lax")), "/validation", &["strict", "permissive"]),
        ("no such value", with("/options/priority", json!("urgent")), "/options/priority", &["low", "high"]),
        ("no such value", with("/options/results", json!("all")), "/options/results", &["each", "fast"]),
        ("no such value", with("/from/platform", json!("vms")), "/from/platform", &["ios", "platform:N"]),
        ("no unit", with("/options/ttl", json!("10")), "/options/ttl", &["10s"]),
        ("no time", with("/send_at", json!("tomorrow")), "/send_at", &["2026"]),
        ("no time", with("/expires_at", json!("never")), "/expires_at", &["2026"]),
        ("no such route", with("/route", json!("nowhere")), "/route", &["nowhere", "rooms"]),
        ("not served", with("/callback", json!({"url": "https://x"})), "/callback", &["callback"]),
        ("bad template", with("/content/template", json!("yes")), "/content/template", &["lenient"]),
    ]
}

fn wrong_messages() -> Vec<Case> {
    let to = "/messages/0/to";
    let kinds: &[&str] = &["user:ID"];
    let long = "x".repeat(65);
    vec![
        ("bad recipient", with(to, json!("alice")), to, kinds),
        ("bad recipient", with(to, json!("team:a")), to, kinds),
        ("bad recipient", with(to, json!("user:")), to, &["user:"]),
        ("bad recipient", with(to, json!(null)), to, &["required"]),
        ("no value", with("/messages/0/vars", json!({})), "/messages/0/vars", &["$name$"]),
        ("surplus value", with("/messages/0/vars/no", json!("1")), "/messages/0/vars/no", &["placeholder"]),
        (
            "vars without a template",
            with("/messages/1/vars", json!({"a": "b"})),
            "/messages/1/vars",
            &["template"],
        ),
        ("same id twice", with("/messages/1/id", json!("m1")), "/messages/1/id", &["m1", "already"]),
        ("id too long", with("/messages/0/id", json!(long)), "/messages/0/id", &["65", "64"]),
        ("client_id too long", with("/messages/0/client_id", json!(long)), "/messages/0/client_id", &["64"]),
        ("no messages", with("/messages", json!([])), "/messages", &["at least one"]),
        ("no content", json!({"messages": [{"to": "user:a"}]}), "/messages/0/content", &["required"]),
        (
            "content that the vendor cannot take",
            with("/messages/2/content", json!({"type": "text", "text": "x".repeat(5_000)})),
            "/messages/2/content",
            &["5000", "4096"],
        ),
        (
            "another vendor's payload",
            with("/messages/2/content", json!({"type": "raw", "vendor": "openim", "body": {}})),
            "/messages/2/content",
            &["openim"],
        ),
        ("everyone without leave", with(to, json!("everyone")), to, &["everyone"]),
    ]
}

#[test]
fn a_bad_field_is_named_and_nothing_is_sent_or_stored() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let mut odd = Vec::new();
    for (what, body, pointer, words) in
        [unknown_fields(), wrong_types_and_values(), wrong_messages()].into_iter().flatten()
    {
        for path in ["/v1/batches", "/v1/send"] {
            let answer = server.post(path, &body);
            let problem = answer.json();
            let errors = problem["errors"].as_array().cloned().unwrap_or_default();
            let named = errors.iter().find(|error| {
                error["path"]
                    .as_str()
                    .is_some_and(|path| path == pointer || path.starts_with(&format!("{pointer}/")))
            });
            let detail = named.map(|error| error.to_string()).unwrap_or_default();
            let kind = answer.header("content-type") == Some("application/problem+json");
            if !matches!(answer.status, 400 | 403 | 422)
                || !kind
                || named.is_none()
                || words.iter().any(|word| !detail.contains(word))
            {
                odd.push(format!("{what} at {pointer} ({path}): {} {problem}", answer.status));
            }
        }
        let planned = server.post("/v1/plan", &body);
        let named = planned.text().contains(pointer);
        if !matches!(planned.status, 200 | 400 | 403 | 422) || !named {
            odd.push(format!("{what} at {pointer} (plan): {} {}", planned.status, planned.text()));
        }
    }
    assert!(odd.is_empty(), "{} odd answers:\n{}", odd.len(), odd.join("\n"));
    nothing_happened(&server, &stage);
}

#[test]
fn bodies_that_are_no_batch_are_refused() {
    let stage = stage();
    let place = Place::with("auth = \"off\"\nmax_body_mb = 1", &config::four(&stage));
    let server = place.serve();
    let large = json!({"messages": [hi(&format!("user:{}", "x".repeat(2 << 20)))]}).to_string();
    for (body, status, says) in [
        ("", 400, "JSON"),
        ("{", 400, "JSON"),
        ("[]", 400, "object"),
        ("{\"messages\": 1}", 400, "messages"),
        ("{\"messages\": [{\"to\": \"user:a\"} {}]}", 400, "line 1"),
        (&large, 413, "max_body_mb"),
    ] {
        for path in ["/v1/batches", "/v1/send", "/v1/plan"] {
            let answer = server.post_text(path, body);
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            assert!(answer.text().contains(says), "{path}: {} does not say {says}", answer.text());
        }
    }
    nothing_happened(&server, &stage);
}

#[test]
fn a_bad_line_of_ndjson_is_named_by_its_number() {
    let stage = stage();
    let place =
        Place::with("auth = \"off\"\nmax_line_kb = 4\nmax_batch_messages = 10", &config::four(&stage));
    let server = place.serve();
    let head = r#"{"from":"shop"}"#;
    let good =
        |id: &str| format!(r#"{{"id":"{id}","to":"user:{id}","content":{{"type":"text","text":"hi"}}}}"#);
    let long = good(&"x".repeat(8 << 10));
    let many: String = (0..12).map(|number| format!("{}\n", good(&format!("n{number}")))).collect();
    for (body, status, says) in [
        (String::new(), 400, &["line 1"][..]),
        (format!("{head}\n"), 400, &["line 2", "at least one"]),
        (format!("{head}\n{}\n{{\"to\":\n", good("a")), 400, &["line 3", "JSON"]),
        (format!("{head}\n{}\n\u{7}\n", good("a")), 400, &["line 3", "JSON"]),
        (format!("{head}\n{}\n{{\"to\":\"alice\"}}\n", good("a")), 400, &["line 3", "/to", "user:ID"]),
        (format!("{head}\n{}\n{{\"tos\":1}}\n", good("a")), 400, &["line 3", "/tos", "allowed"]),
        (format!("{{\"form\":\"shop\"}}\n{}\n", good("a")), 400, &["line 1", "/form", "allowed"]),
        (format!("{head}\n{}\n{}\n", good("a"), good("a")), 400, &["\\\"a\\\"", "already"]),
        (format!("{head}\n{}\n{long}\n", good("a")), 413, &["line 3", "max_line_kb"]),
        (format!("{head}\n{many}"), 413, &["10"]),
    ] {
        let answer = server.post_lines("/v1/batches", body.as_bytes());
        assert_eq!(answer.status, status, "{}", answer.text());
        for word in says {
            assert!(answer.text().contains(word), "{} does not say {word}", answer.text());
        }
    }
    let not_utf8 = [head.as_bytes(), b"\n{\"to\":\"user:\xff\"}\n"].concat();
    let answer = server.post_lines("/v1/batches", &not_utf8);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("line 2") && answer.text().contains("UTF-8"), "{}", answer.text());
    nothing_happened(&server, &stage);
}

#[test]
fn a_thousand_errors_are_listed_and_all_are_counted() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let messages: Vec<Value> = (0..1_500).map(|number| hi(&number.to_string())).collect();
    let problem = server.post("/v1/batches", &json!({"messages": messages})).of(400);
    assert_eq!(problem["errors"].as_array().map_or(0, Vec::len), 1_000);
    assert!(problem.to_string().contains("1500"), "the total is missing");
    nothing_happened(&server, &stage);
}

#[test]
fn parameters_and_headers_are_checked_too() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let good = json!({"messages": [hi("user:a")]});
    for (path, says) in [
        ("/v1/batches?stat=queued", "state"),
        ("/v1/batches?state=done", "settled"),
        ("/v1/batches?limit=0", "1 to 1000"),
        ("/v1/batches?cursor=x", "cursor"),
        ("/v1/messages", "to"),
        ("/v1/messages?to=alice", "user:ID"),
        ("/v1/messages?to=user:a&since=yesterday", "since"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(answer.text().contains(says), "{path}: {}", answer.text());
    }
    for (name, value, path) in [
        ("prefer", "wait=soon", "/v1/batches"),
        ("prefer", "wait=61", "/v1/batches"),
        ("idempotency-key", "", "/v1/batches"),
        ("idempotency-key", "", "/v1/send"),
    ] {
        let answer = server.with(name, value).post(path, &good);
        assert_eq!(answer.status, 400, "{name}: {value}: {}", answer.text());
    }
    for path in ["/v1/send?timeout=0", "/v1/send?timeout=61", "/v1/send?tmeout=1", "/v1/batches?wait=1"] {
        assert_eq!(server.post(path, &good).status, 400, "{path}");
    }
    nothing_happened(&server, &stage);
}

/// Both commands that read the configuration refuse it alike.
#[track_caller]
fn refused_config(place: &Place, words: &[&str]) {
    for verb in ["check", "serve"] {
        let ran = place.run(&[verb, "--config", "config.toml"]);
        assert_eq!(ran.code, 2, "{verb}: {}", ran.said());
        for word in words {
            assert!(ran.err.contains(word), "{verb} does not say {word}: {}", ran.said());
        }
    }
}

#[test]
fn a_bad_configuration_is_refused_with_file_key_and_what_is_allowed() {
    let provider = config::wukongim("wk", "http://127.0.0.1:1", "v2", "");
    let route = config::route("all", "", "wk");
    let good = format!("{provider}{route}");
    for (server, text, words) in [
        (
            "",
            format!("{provider}{}", config::route("all", "", "wc")),
            &["routes[0].provider", "wc", "wk"][..],
        ),
        ("", format!("colour = 1\n{good}"), &["colour", "allowed"]),
        ("lisen = \"x\"", good.clone(), &["server.lisen", "listen"]),
        ("auth = \"of\"", good.clone(), &["server.auth", "keys", "off"]),
        ("max_line_kb = \"9\"", good.clone(), &["server.max_line_kb", "whole number"]),
        ("", good.replace("dialect = \"v2\"", "dialect = \"v9\""), &["providers.wk.dialect", "published"]),
        (
            "",
            good.replace("vendor = \"wukongim\"", "vendor = \"wukong\""),
            &["providers.wk.vendor", "wukongim"],
        ),
        ("", good.replace("http://127.0.0.1:1", "127.0.0.1:1"), &["providers.wk.base_url", "http://"]),
        (
            "",
            good.replace("default_sender", "token = \"env:NO_SUCH_TOKEN\"\ndefault_sender"),
            &["providers.wk.token", "NO_SUCH_TOKEN"],
        ),
        (
            "",
            good.replace("default_sender", "token = \"file:/no/such/file\"\ndefault_sender"),
            &["providers.wk.token", "/no/such/file"],
        ),
        (
            "",
            good.replace("default_sender", "fold = true\ndefault_sender"),
            &["providers.wk.fold", "unknown", "token"],
        ),
        ("", provider.clone(), &["routes", "required"]),
        ("", format!("{good}{}", config::route("all", "", "wk")), &["routes[1].name", "unique"]),
        (
            "",
            format!("{provider}{}", config::route("all", "to = \"chat\"", "wk")),
            &["routes[0].when.to", "room"],
        ),
        ("", format!("{good}[delivery]\ndeadline = \"24\"\n"), &["delivery.deadline", "24h"]),
        ("", format!("{good}oops ="), &["TOML"]),
    ] {
        let place = Place::with(server, &text);
        refused_config(&place, &[words, &["config.toml"]].concat());
    }
}

#[test]
fn without_keys_only_loopback_may_be_listened_on() {
    let place = Place::with(
        "auth = \"off\"",
        &format!(
            "{}{}",
            config::wukongim("wk", "http://127.0.0.1:1", "v2", ""),
            config::route("all", "", "wk")
        ),
    );
    let text = std::fs::read_to_string(place.path("config.toml")).expect("it was written");
    place.write("config.toml", text.replace("127.0.0.1:0", "0.0.0.0:0").as_bytes());
    refused_config(&place, &["server.auth", "loopback", "keys"]);
}

#[test]
fn a_missing_configuration_says_how_to_name_one() {
    let place = Place::empty();
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, 2, "{}", ran.said());
    assert!(ran.err.contains("config.toml") && ran.err.contains("--config"), "{}", ran.said());
}

fn send(place: &Place, server: &Server, name: &str, more: &[&str]) -> Ran {
    let url = server.url();
    place.run(&[&["send", name, "--server", &url], more].concat())
}

#[test]
fn a_bad_file_is_refused_with_its_line_and_exit_code_2() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let text = ["--text", "Hi $name$"];
    for (name, bytes, more, words) in [
        ("fields.csv", &b"to,name\nuser:a,A\nuser:b\n"[..], &text[..], &["fields.csv:3", "fields"][..]),
        ("utf8.csv", b"to,name\nuser:a,A\nuser:b,\xff\n", &text, &["utf8.csv:3", "UTF-8"]),
        ("quote.csv", b"to,name\nuser:a,\"A\nuser:b,B\n", &text, &["quote.csv:2", "quote"]),
        ("to.csv", b"to,name\nalice,A\n", &text, &["to.csv:2", "user:ID"]),
        ("no-to.csv", b"id,name\n1,A\n", &text, &["no-to.csv:1", "to"]),
        ("missing.csv", b"to\nuser:a\n", &text, &["$name$", "column"]),
        ("surplus.csv", b"to,name,city\nuser:a,A,B\n", &text, &["city"]),
        ("bare.csv", b"to\nuser:a\n", &[], &["--text"]),
        ("broken.ndjson", b"{}\n{\"to\":\n", &[], &["line 2", "JSON"]),
        ("wrong.ndjson", b"{\"from\":\"s\"}\n{\"to\":\"alice\"}\n", &[], &["line 2", "/to"]),
        ("wrong.json", b"{\"messages\":[{\"to\":\"alice\"}]}", &[], &["/messages/0/to"]),
        ("broken.json", b"{\"messages\":[", &[], &["JSON"]),
    ] {
        place.write(name, bytes);
        let ran = send(&place, &server, name, more);
        assert_eq!(ran.code, 2, "{name}: {}", ran.said());
        for word in words {
            assert!(ran.err.contains(word), "{name} does not say {word}: {}", ran.said());
        }
    }
    let absent = send(&place, &server, "absent.json", &[]);
    assert_eq!(absent.code, 2, "{}", absent.said());
    assert!(absent.err.contains("absent.json"), "{}", absent.said());
    nothing_happened(&server, &stage);
}

#[test]
fn a_missing_server_is_an_error_that_says_what_to_start() {
    let place = Place::empty();
    place.write("one.json", br#"{"messages":[{"to":"user:a","content":{"type":"text","text":"hi"}}]}"#);
    let ran = place.run(&["send", "one.json", "--server", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, 2, "{}", ran.said());
    assert!(ran.err.contains("interline serve"), "{}", ran.said());
}

#[test]
fn the_good_messages_of_a_permissive_batch_are_sent_and_the_bad_ones_come_back_rejected() {
    let stage = stage();
    let place = Place::new(&config::four(&stage));
    let server = place.serve();
    let batch = json!({"validation": "permissive", "messages": [hi("user:a"), hi("bob"), hi("user:c")]});
    let sent = server.post("/v1/send", &batch).of(200);
    let statuses: Vec<_> =
        sent["results"].as_array().expect("results").iter().map(|r| r["status"].clone()).collect();
    assert_eq!(statuses, ["accepted", "rejected", "accepted"]);
    assert_eq!(sent["results"][1]["error"]["code"], "invalid_message", "{sent}");
    let accepted = server.post("/v1/batches", &batch).of(202);
    assert_eq!(accepted["errors"][0]["path"], "/messages/1/to", "{accepted}");
    let id = accepted["id"].as_str().expect("an id");
    let settled = server.settled(id, std::time::Duration::from_secs(10));
    assert_eq!((&settled["counts"]["accepted"], &settled["counts"]["rejected"]), (&2.into(), &1.into()));
    assert_eq!(stage.total(), 4);
}
