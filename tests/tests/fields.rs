//! Every field of a body and every key of the configuration has a test of what it does. The program
//! itself says which there are; the tables here name the tests, and the tests have to exist.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use interline_tests::{Place, Server, config};
use serde_json::{Value, json};

const NOWHERE: &str = "http://127.0.0.1:1";
const OPTIONS: &str = "no_option_of_a_message_is_dropped_in_silence";
const CONTENTS: &str = "no_field_of_a_content_is_dropped_in_silence";

const IDS: &str = "ids_of_apps_become_ids_of_the_provider_and_answers_keep_those_of_apps";

/// Where a field stands, which fields, and the test of what they do.
type Row = (&'static str, &'static str, &'static str);

/// The fields of a body.
const BODY: &[Row] = &[
    (
        "",
        "from content options extensions vars",
        "ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow",
    ),
    ("", "labels trace_id", "batches_are_listed_newest_first_and_found_by_label_and_state"),
    ("", "route", "a_batch_may_force_its_route"),
    ("", "guarantee", "at_least_once_sends_again_and_says_so"),
    ("", "on_loss", "what_cannot_be_expressed_is_listed_or_refused"),
    (
        "",
        "validation",
        "the_good_messages_of_a_permissive_batch_are_sent_and_the_bad_ones_come_back_rejected",
    ),
    ("", "send_at expires_at", "a_batch_that_is_sent_later_waits_and_one_that_is_too_late_expires"),
    ("", "ordered", "full_calls_are_drawn_where_order_does_not_forbid_it"),
    ("", "callback", "a_settled_batch_is_told_once_and_signed_with_each_secret"),
    ("/callback", "url", "a_settled_batch_is_told_once_and_signed_with_each_secret"),
    ("/callback", "each", "each_message_is_told_in_pages_and_what_was_unknown_is_told_when_it_is_known"),
    (
        "/messages/0",
        "to id from content vars options",
        "ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow",
    ),
    ("/messages/0", "client_id", "a_client_id_reaches_the_vendor_as_it_was_given"),
    ("/messages/0", "extensions", "no_extension_is_dropped_in_silence"),
    ("/messages/0", "labels", "a_message_says_for_itself_what_its_batch_says_for_all"),
    ("/messages/0", "guarantee on_loss expires_at", "a_message_says_for_itself_what_its_batch_says_for_all"),
    ("/from", "id name avatar_url platform", OPTIONS),
    ("/options", "store online_only badge sync_sender ttl audience push", OPTIONS),
    ("/options", "results", "ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow"),
    ("/options", "priority", "higher_priority_goes_first"),
    ("/options/push", "enabled title body sound ext badge", OPTIONS),
    ("/options/audience", "users", OPTIONS),
    ("/content", "type text", CONTENTS),
    ("/content", "ext mentions", OPTIONS),
    ("/content", "template", "ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow"),
    ("/content", "url thumbnail_url width height size md5 name format duration_ms mime", CONTENTS),
    ("/content", "latitude longitude title address message data kind", CONTENTS),
    ("/content", "vendor body body_base64", "a_raw_payload_reaches_its_vendor_as_it_is"),
    ("/content/mentions", "all users", OPTIONS),
    ("/content/message", "id client_id seq from from_name text time_ms", CONTENTS),
];

/// The keys of the configuration; `*` stands for a name.
const KEYS: &[Row] = &[
    ("", "server ledger delivery apps providers routes", "the_shipped_file_runs_as_it_stands"),
    ("", "tests", "the_shipped_tests_pass"),
    ("", "migrations", "a_growing_ramp_moves_recipients_one_way_and_only_those_of_its_route"),
    ("", "facades", "the_shipped_file_runs_as_it_stands"),
    ("server", "listen auth", "without_keys_only_loopback_may_be_listened_on"),
    ("server", "max_body_mb", "bodies_that_are_no_batch_are_refused"),
    ("server", "max_line_kb max_batch_messages", "a_bad_line_of_ndjson_is_named_by_its_number"),
    ("", "console", "the_shipped_file_runs_as_it_stands"),
    ("console", "enabled", "without_a_console_there_are_no_sessions_and_no_pages"),
    ("console", "session", "a_key_is_exchanged_for_a_cookie_that_reads_and_changes_until_it_is_given_back"),
    ("", "log telemetry", "no_secret_and_no_content_is_seen_where_it_should_not_be"),
    ("log", "format level", "the_log_is_written_as_the_configuration_says"),
    ("telemetry", "otlp_endpoint", "a_message_through_a_facade_is_one_trace_from_its_caller_to_the_vendor"),
    ("telemetry", "sample", "a_part_of_the_traces_that_begin_here_is_kept"),
    ("telemetry", "queue timeout", "a_collector_that_is_down_slows_nothing_and_is_told_of_once"),
    ("telemetry", "headers", "who_is_not_sampled_is_not_exported_and_the_vendor_hears_of_it_all_the_same"),
    ("", "callbacks", "what_goes_wrong_is_told_by_its_kind_and_nothing_is_followed"),
    ("callbacks", "allow_private timeout", "what_goes_wrong_is_told_by_its_kind_and_nothing_is_followed"),
    ("callbacks", "retries", "events_that_nobody_takes_are_given_up_and_can_be_replayed"),
    ("callbacks", "disable_after", "who_only_fails_for_long_is_disabled"),
    ("apps[0]", "callback_secrets", "a_settled_batch_is_told_once_and_signed_with_each_secret"),
    ("ledger", "url", "a_killed_server_goes_on_and_sends_nothing_twice"),
    ("ledger", "retention", "only_batches_settled_long_ago_are_pruned"),
    (
        "delivery",
        "guarantee on_loss attempts deadline",
        "the_defaults_of_delivery_hold_where_a_batch_says_nothing",
    ),
    ("apps[0]", "name key_sha256 may", "keys_decide_who_may_do_what"),
    ("apps[0]", "messages_per_second", "an_app_over_its_rate_is_told_when_to_come_back"),
    (
        "providers.*",
        "vendor base_url dialect",
        "ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow",
    ),
    ("providers.*", "default_sender", "the_keys_of_a_vendor_change_what_it_is_told"),
    (
        "providers.*",
        "token room_channel_type admin_user_id secret admin_token",
        "the_keys_of_a_vendor_change_what_it_is_told",
    ),
    (
        "providers.*",
        "api_key fold app_key app_secret everyone",
        "the_keys_of_a_vendor_change_what_it_is_told",
    ),
    ("providers.*", "resend_window", "the_resend_window_decides_whether_an_unknown_goes_again"),
    ("providers.*", "limits", "limits_of_the_configuration_hold"),
    ("providers.*", "drain_to", "a_provider_for_which_messages_wait_goes_only_when_it_is_said_where_they_go"),
    ("providers.*", "ids", IDS),
    ("providers.*.ids", "user group room", IDS),
    ("providers.*.ids.user", "file on_missing", IDS),
    ("providers.*.limits", "in_flight timeout", "limits_of_the_configuration_hold"),
    (
        "providers.*.limits",
        "send sendbatch batch room single user_batch broadcast",
        "limits_of_the_configuration_hold",
    ),
    (
        "providers.*.limits.*",
        "calls_per_second calls_per_minute messages_per_second messages_per_minute",
        "limits_of_the_configuration_hold",
    ),
    (
        "providers.*.limits.*",
        "per_recipient_per_second messages_per_call",
        "limits_of_the_configuration_hold",
    ),
    (
        "routes[0]",
        "name when provider",
        "ten_thousand_mixed_messages_arrive_once_in_as_few_calls_as_the_limits_allow",
    ),
    ("routes[0]", "split", "a_split_shares_recipients_out_and_keeps_them"),
    ("routes[0]", "fallback", "a_fallback_takes_what_finds_no_server"),
    ("routes[0]", "on_loss", "a_route_may_refuse_what_would_lose"),
    ("routes[0]", "guarantee", "a_guarantee_of_a_route_holds_where_the_batch_says_nothing"),
    ("tests[0]", "name", "tests_are_chosen_by_words_of_their_names"),
    ("tests[0]", "message messages count batch down silent busy answers_in", "each_key_of_a_test_decides"),
    ("tests[0]", "app at", "the_apps_and_the_time_of_a_test_decide"),
    ("tests[0]", "dialect", "what_is_rehearsed_is_what_is_sent"),
    ("tests[0]", "expect", "each_expectation_passes_and_fails"),
    (
        "tests[0].expect",
        "provider route status error fallback tried losses",
        "each_expectation_passes_and_fails",
    ),
    (
        "tests[0].expect",
        "calls calls_at_most seconds_at_most seconds_at_least",
        "each_expectation_passes_and_fails",
    ),
    ("migrations.*", "route from to", "a_growing_ramp_moves_recipients_one_way_and_only_those_of_its_route"),
    ("migrations.*", "cohort", "only_the_cohort_moves_and_its_file_is_read_again"),
    ("migrations.*", "gates", "a_vendor_that_fails_half_way_is_left_within_two_seconds_and_nothing_is_lost"),
    (
        "migrations.*.gates",
        "rejected_percent unknown_percent p95",
        "each_gate_trips_above_its_limit_and_not_at_it",
    ),
    ("migrations.*.gates", "min_messages", "too_few_answers_are_not_judged"),
    (
        "facades[0]",
        "name vendor route token",
        "of_two_facades_of_one_vendor_the_one_that_knows_the_caller_answers",
    ),
    ("facades[0]", "app", "limits_of_the_app_hold_and_are_told_in_the_vendors_words"),
    ("facades[0]", "listen", "a_facade_with_an_address_of_its_own_is_served_there_alone"),
    ("facades[0]", "mode", "what_is_stored_is_answered_at_once_and_outlives_a_kill"),
    ("facades[0]", "answer_within", "a_vendor_that_hangs_is_not_waited_for_and_its_late_answer_counts"),
    ("facades[0]", "passthrough api_key", "other_paths_are_passed_on_under_the_providers_credentials"),
    ("facades[0]", "admin_user_id secret", "a_wrong_secret_and_a_wrong_administrator_get_no_token"),
    (
        "facades[0]",
        "app_key app_secret",
        "a_signature_holds_for_five_minutes_and_clocks_may_run_ahead_as_far",
    ),
    ("routes[0].when", "to id from app content label not", "each_condition_of_a_route_decides"),
    ("routes[0].when", "between", "a_route_takes_messages_only_in_its_time"),
];

/// The names after `allowed: ` or `allowed here: ` in what was said of the key.
fn allowed(detail: &str) -> BTreeSet<String> {
    let (_, names) = detail.rsplit_once(": ").unwrap_or_default();
    let names = names.split(" (provider").next().unwrap_or_default();
    names.split(", ").map(str::to_owned).collect()
}

fn table(rows: &[Row]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut found: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (at, fields, _) in rows {
        found.entry(*at).or_default().extend(fields.split(' ').map(str::to_owned));
    }
    found
}

/// What the program takes where an unknown field stands.
fn taken(server: &Server, at: &str, mut body: Value) -> BTreeSet<String> {
    body.pointer_mut(at).expect("a place in the body")["no_such_field"] = json!(1);
    let problem = server.post("/v1/send", &body).of(400);
    let wanted = format!("{at}/no_such_field");
    let errors = problem["errors"].as_array().expect("errors");
    let error = errors
        .iter()
        .find(|error| error["path"] == wanted.as_str())
        .unwrap_or_else(|| panic!("{wanted}: {problem}"));
    allowed(error["detail"].as_str().expect("a detail"))
}

fn place() -> Place {
    let provider = config::wukongim("wk", NOWHERE, "published", "");
    Place::new(&format!("{provider}{}", config::route("all", "", "wk")))
}

#[test]
fn every_field_of_a_body_has_a_test() {
    let place = place();
    let server = place.serve();
    let body = |content: Value| {
        json!({"from": {"id": "a"}, "callback": {"url": "https://a/"}, "content": content, "messages": [{"to": "user:a"}],
            "options": {"push": {}, "audience": {"users": ["a"]}}})
    };
    let text = body(json!({"type": "text", "text": "hi", "mentions": {}}));
    let quote = body(json!({"type": "quote", "text": "hi", "message": {}}));
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for at in [
        "",
        "/callback",
        "/messages/0",
        "/from",
        "/options",
        "/options/push",
        "/options/audience",
        "/content/mentions",
    ] {
        found.insert(at, taken(&server, at, text.clone()));
    }
    found.insert("/content/message", taken(&server, "/content/message", quote));
    let kinds = server.post("/v1/send", &body(json!({"type": "none"}))).of(400).to_string();
    let (_, kinds) = kinds.split_once("not a content type; allowed: ").expect("the types are listed");
    for kind in kinds.split('"').next().expect("the end of the list").split(", ") {
        let fields = taken(&server, "/content", body(json!({"type": kind})));
        found.entry("/content").or_default().extend(fields);
    }
    let tested = table(BODY);
    for (at, fields) in &found {
        assert_eq!(
            Some(fields),
            tested.get(at),
            "fields of {at:?}, left as the program takes them, right as tested"
        );
    }
    exist(BODY);
}

/// The keys that the program takes beside an unknown one.
fn keys(text: &str, key: &str) -> BTreeSet<String> {
    let place = Place::empty();
    place.write("config.toml", text.as_bytes());
    let ran = place.run(&["check"]);
    let line = ran.err.lines().find(|line| line.contains(&format!("{key}: unknown key")));
    allowed(line.unwrap_or_else(|| panic!("{key} is not told of: {}", ran.said())))
}

#[test]
fn every_key_of_the_configuration_has_a_test() {
    let app = format!("[[apps]]\nno_such_key = 1\nname = \"a\"\nkey_sha256 = \"{}\"\n", "0".repeat(64));
    let facade =
        |vendor: &str| format!("[[facades]]\nno_such_key = 1\nname = \"{vendor}\"\nvendor = \"{vendor}\"\n");
    let app = app + &["wukongim", "openim", "imkit", "netease"].map(facade).concat();
    let route = "[[routes]]\nno_such_key = 1\nname = \"r\"\nprovider = \"p\"\nwhen = { no_such_key = 1 }\n";
    let test = "[[tests]]\nno_such_key = 1\nname = \"t\"\nmessage = { to = \"user:a\" }\nexpect = { no_such_key = 1 }\n";
    let migration = "[migrations.m]\nno_such_key = 1\ngates = { no_such_key = 1 }\n";
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let ids = "[providers.p.ids]\nno_such_key = 1\nuser = { no_such_key = 1 }\n";
    let more = format!("no_such_key = 1\n{ids}[providers.p.limits]\nno_such_key = 1\n");
    let more = more.as_str();
    let head = "no_such_key = 1\n[server]\nno_such_key = 1\n[ledger]\nno_such_key = 1\n[delivery]\nno_such_key = 1\n[console]\nno_such_key = 1\n[callbacks]\nno_such_key = 1\n";
    for (provider, class) in [
        (config::wukongim("p", NOWHERE, "v2", more), "send"),
        (config::openim("p", NOWHERE, "main", more), "send"),
        (config::imkit("p", NOWHERE, more), "batch"),
        (config::netease("p", NOWHERE, more), "room"),
    ] {
        let text = format!("{head}{provider}{class} = {{ no_such_key = 1 }}\n{app}{route}{migration}{test}");
        for (at, key) in [
            ("", "no_such_key".to_owned()),
            ("server", "server.no_such_key".to_owned()),
            ("ledger", "ledger.no_such_key".to_owned()),
            ("delivery", "delivery.no_such_key".to_owned()),
            ("console", "console.no_such_key".to_owned()),
            ("callbacks", "callbacks.no_such_key".to_owned()),
            ("apps[0]", "apps[0].no_such_key".to_owned()),
            ("providers.*", "providers.p.no_such_key".to_owned()),
            ("providers.*.ids", "providers.p.ids.no_such_key".to_owned()),
            ("providers.*.ids.user", "providers.p.ids.user.no_such_key".to_owned()),
            ("providers.*.limits", "providers.p.limits.no_such_key".to_owned()),
            ("providers.*.limits.*", format!("providers.p.limits.{class}.no_such_key")),
            ("facades[0]", "facades[0].no_such_key".to_owned()),
            ("facades[0]", "facades[1].no_such_key".to_owned()),
            ("facades[0]", "facades[2].no_such_key".to_owned()),
            ("facades[0]", "facades[3].no_such_key".to_owned()),
            ("routes[0]", "routes[0].no_such_key".to_owned()),
            ("routes[0].when", "routes[0].when.no_such_key".to_owned()),
            ("migrations.*", "migrations.m.no_such_key".to_owned()),
            ("migrations.*.gates", "migrations.m.gates.no_such_key".to_owned()),
            ("tests[0]", "tests[0].no_such_key".to_owned()),
            ("tests[0].expect", "tests[0].expect.no_such_key".to_owned()),
        ] {
            found.entry(at).or_default().extend(keys(&text, &format!(" {key}")));
        }
    }
    let tested = table(KEYS);
    for (at, fields) in &found {
        assert_eq!(
            Some(fields),
            tested.get(at),
            "keys of {at:?}, left as the program takes them, right as tested"
        );
    }
    exist(KEYS);
}

/// The names of all test functions of the workspace.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = ["crates", "adapters", "tests"].iter().map(|name| root.join(name)).collect();
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                names.extend(tests_of(&text));
            }
        }
    }
    names
}

fn tests_of(text: &str) -> Vec<String> {
    let mut marked = text.contains("proptest!");
    let everywhere = marked;
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
            names.push(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
            marked = everywhere;
        }
    }
    names
}

#[track_caller]
fn exist(rows: &[Row]) {
    let known = tests();
    let missing: BTreeSet<_> =
        rows.iter().map(|(_, _, test)| *test).filter(|test| !known.contains(*test)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
