//! Secrets and contents are planted wherever they can stand, and real traffic runs over them, good and bad, at
//! every level of the log and with a collector. Nothing that operators see holds any of them, and no secret is in
//! any answer.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::time::Duration;

use interline_tests::{Answer, Client, Collector, Place, Relay, Scripted, Server, Stage, config, eventually};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(30);

/// What nobody ever reads again, not even who wrote it.
const SECRETS: [&str; 12] = [
    "canary-admin-token",
    "canary-typed-key",
    "canary-cookie",
    "canary-wk-token",
    "canary-oim-secret",
    "canary-kit-key",
    "canary-ne-secret",
    "canary-facade-key",
    "canary-collector-key",
    "canary-bad-key",
    "canary-misplaced-secret",
    "Y2FuYXJ5LWhvb2stc2VjcmV0LWNhbmFyeS0x",
];

/// What only its owner reads.
const CONTENTS: [&str; 16] = [
    "canary-hook",
    "canary-text",
    "canary-field",
    "canary-to",
    "canary-room",
    "canary-sender",
    "canary-var",
    "canary-push",
    "canary-ext",
    "canary-extension",
    "canary-label",
    "canary-client-id",
    "canary-idempotency",
    "canary-echo",
    "canary-broken",
    "canary-stranger",
];

/// What its owner reads in more places than one, and operators nowhere.
const PRIVATE: [&str; 7] = [
    "canary-path",
    "canary-user",
    "canary-password",
    "canary-typed-field",
    "canary-page",
    "canary-passed-on",
    "canary-recall",
];

/// Servers of vendors that answer with what they were sent, or with anything else.
fn echoing() -> Scripted {
    Scripted::start(|path| {
        let words = "no: canary-echo canary-text for canary-to";
        match path.len() % 4 {
            0 => Scripted::http(400, "application/json", &json!({"msg": words, "status": 400}).to_string()),
            1 => Scripted::http(500, "text/plain", words),
            2 => Scripted::http(200, "text/html", words),
            _ => Scripted::http(
                200,
                "application/json",
                &json!({"code": 987_654, "errCode": 987_654, "errMsg": words, "desc": words, "errDlt": words})
                    .to_string(),
            ),
        }
    })
}

/// An `OpenIM` that gives a token, says it with every answer, and takes nothing.
fn telling() -> Scripted {
    Scripted::start(|path| {
        let token = "canary-admin-token";
        let body = if path.contains("/auth/") {
            json!({"errCode": 0, "errMsg": "", "data": {"token": token, "expireTimeSeconds": 90_000}})
        } else {
            json!({"errCode": 1_501, "errMsg": "TokenExpiredError", "errDlt": ""})
        };
        Scripted::http(200, "application/json", &body.to_string())
    })
}

fn configuration(
    stage: &Stage,
    (echo, telling): (&Scripted, &Scripted),
    collector: &Collector,
    key_sha256: &str,
) -> String {
    let echoing = |name: &str, vendor: &str, keys: &str| {
        format!(
            "[providers.{name}]\nvendor = \"{vendor}\"\nbase_url = \"{}\"\ndefault_sender = \"s\"\n{keys}\n",
            echo.url()
        )
    };
    [
        format!("[[apps]]\nname = \"shop\"\nkey_sha256 = \"{key_sha256}\"\nmay = [\"send\", \"read\", \"admin\"]\n"),
        "callback_secrets = [\"whsec_Y2FuYXJ5LWhvb2stc2VjcmV0LWNhbmFyeS0x\"]\n".to_owned(),
        "[callbacks]\nallow_private = [\"127.0.0.0/8\"]\nretries = [\"1s\"]\n".to_owned(),
        config::openim("t-oim", &telling.url(), "v3.8.3", ""),
        config::wukongim("wk", &stage.wukongim().url(), "published", "token = \"canary-wk-token\""),
        config::openim("oim", &stage.openim().url(), "v3.8.3", ""),
        config::imkit("kit", &stage.imkit().url(), ""),
        config::netease("ne", &stage.netease().url(), ""),
        echoing("e-wk", "wukongim", "dialect = \"v1\"\ntoken = \"canary-wk-token\""),
        echoing("e-oim", "openim", "dialect = \"main\"\nadmin_user_id = \"a\"\nsecret = \"canary-oim-secret\""),
        echoing("e-kit", "imkit", "api_key = \"canary-kit-key\""),
        echoing("e-ne", "netease", "app_key = \"k\"\napp_secret = \"canary-ne-secret\""),
        config::route("rooms", "to = \"room\"", "ne"),
        ["oim", "kit", "ne", "e-wk", "e-oim", "e-kit", "e-ne", "t-oim"]
            .map(|name| config::route(name, &format!("id = \"{name}-*\""), name))
            .concat(),
        config::route("rest", "", "wk"),
        "[[facades]]\nname = \"legacy\"\nvendor = \"imkit\"\napp = \"shop\"\napi_key = \"canary-facade-key\"\n\
         passthrough = \"kit\"\n"
            .to_owned(),
        collector.config(),
        "headers = { authorization = \"canary-collector-key\" }\n".to_owned(),
    ]
    .concat()
}

fn rich(to: &str) -> Value {
    json!({
        "from": "canary-sender", "labels": {"campaign": "canary-label"}, "on_loss": "degrade",
        "content": {"type": "text", "text": "canary-text $name$", "template": true, "ext": "canary-ext"},
        "options": {"push": {"title": "canary-push", "body": "canary-push"}},
        "messages": [
            {"to": format!("user:{to}canary-to"), "vars": {"name": "canary-var"}, "client_id": "canary-client-id"},
            {"to": format!("user:{to}canary-to-2"), "content": {"type": "custom", "data": {"k": "canary-field"}}},
        ],
    })
}

/// Everything that can go well or wrong; what was answered.
fn traffic(server: &Server, app: &Client, stage: &Stage, place: &Place) -> String {
    let mut said = String::new();
    let mut hear = |answer: Answer| {
        said.push_str(&answer.text());
        said.push('\n');
        answer
    };
    for to in ["", "oim-", "kit-", "ne-", "e-wk-", "e-oim-", "e-kit-", "e-ne-", "t-oim-"] {
        hear(app.post("/v1/send?timeout=3", &rich(to)));
        hear(app.post("/v1/plan", &rich(to)));
    }
    let room = json!({"messages": [{"to": "room:canary-room", "from": "canary-sender", "content":
        {"type": "text", "text": "canary-text"}}], "extensions": {"netease": {"notifyTargetTags": "canary-extension"}}});
    hear(app.post("/v1/send", &room));
    let mut lost = None;
    for (fault, value) in [
        (FaultKind::CloseAfterRead, 0),
        (FaultKind::Status, 503),
        (FaultKind::Torn, 0),
        (FaultKind::Code, 987),
    ] {
        for twin in [stage.wukongim(), stage.openim(), stage.imkit(), stage.netease()] {
            twin.set_fault(Fault::new(fault).value(value).times(1));
        }
        for to in ["", "oim-", "kit-", "ne-"] {
            let sent = hear(app.post("/v1/send?timeout=2", &rich(to)));
            lost.get_or_insert_with(|| sent.json()["id"].as_str().expect("an id").to_owned());
        }
    }
    let mut told = rich("");
    told["callback"] = json!({"url": "http://127.0.0.1:9/hook?token=canary-hook", "each": true});
    let id = hear(app.with("idempotency-key", "canary-idempotency").post("/v1/batches", &told));
    let id = id.json()["id"].as_str().expect("an id").to_owned();
    eventually("it settles", SECONDS, || {
        (app.get(&format!("/v1/batches/{id}")).json()["state"] == "settled").then_some(())
    });
    hear(app.get(&format!("/v1/batches/{id}/messages")));
    hear(app.get("/v1/messages?to=user:canary-to"));
    let redrive = format!("/v1/batches/{}/redrive", lost.unwrap_or_default());
    eventually("what was lost is sent again", SECONDS, || {
        let again = hear(app.post(&redrive, &json!({"status": ["rejected", "unknown"]})));
        (again.status == 202).then_some(())
    });
    for body in [
        "{\"canary-broken",
        "[\"canary-broken\"]",
        "{\"canary-broken\":1,\"messages\":[{\"to\":\"canary-broken\"}]}",
    ] {
        hear(app.post_text("/v1/send", body));
        hear(app.post_text("/v1/batches", body));
    }
    hear(app.post_lines("/v1/batches", b"{}\n{\"to\":\"user:canary-broken\",\"canary-broken\"\n"));
    hear(server.client().key("il_canary_canary-bad-key").get("/v1/batches"));
    let facade = |key: &str, text: &str| {
        let body = json!({"message": text, "messageType": "text", "sender": "canary-sender",
            "paras": [{"receiver": "canary-to"}]});
        server.client().with("im-api-key", key).post("/messages/batch", &body)
    };
    hear(facade("canary-facade-key", "canary-text"));
    hear(facade("canary-bad-key", "canary-text"));
    hear(server.client().get("/canary-stranger/unknown?secret=canary-stranger"));
    hear(passed_on(server));
    let good = std::fs::read_to_string(place.path("config.toml")).expect("the configuration");
    for bad in [
        good.replace("secret = \"canary-oim-secret\"", "secret = 12\nsecrets = \"canary-misplaced-secret\""),
        good.replace("dialect = \"main\"", "dialect = \"main\"\ntoken = { x = \"canary-misplaced-secret\" }"),
        good.replace("[\"whsec_", "[12, \"canary-misplaced-secret\", \"whsec_"),
        // A quote is missing: whoever reads the message knows the line.
        good.replace("secret = \"canary-oim-secret\"", "secret = \"canary-oim-secret"),
    ] {
        place.write("config.toml", bad.as_bytes());
        let checked = place.run(&["check", "--config", "config.toml"]);
        free_of("a terminal", &checked.said(), &SECRETS);
        let refused = hear(app.post("/v1/config/reload", &json!({})));
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
    place.write("config.toml", good.as_bytes());
    hear(app.post("/v1/config/reload", &json!({}))).of(200);
    said
}

/// What a façade does not serve and passes on.
fn passed_on(server: &Server) -> Answer {
    let app = server.client().with("im-api-key", "canary-facade-key").with("x-team", "canary-passed-on");
    app.post("/rooms/canary-passed-on?member=canary-passed-on", &json!({"name": "canary-passed-on"}))
}

/// A browser: signs in, looks at pages, types wrong things. What the cookie held.
fn browser(server: &Server, key: &str) -> String {
    let base = server.client().url();
    let here = server.client().with("origin", &base).with("interline-console", "1");
    let signed_in = here.post("/v1/session", &json!({"key": key}));
    let set = signed_in.header("set-cookie").expect("a cookie").to_owned();
    let pair = set.split(';').next().expect("a pair").to_owned();
    let (name, value) = pair.split_once('=').expect("a value");
    let mine = here.with("cookie", &pair);
    for path in [
        "/console",
        "/console/",
        "/console/app.js",
        "/console/canary-page?canary-page",
        "/v1/session",
        "/v1/overview",
    ] {
        mine.get(path);
    }
    mine.post("/v1/send?canary-typed-field=1", &json!({"canary-typed-field": 1}));
    mine.get("/v1/messages?to=user:canary-recall");
    here.with("cookie", &format!("{name}=canary-cookie")).get("/v1/session");
    for body in [
        json!({"key": "il_shop_canary-typed-key"}),
        json!({"key": "canary-typed-key", "canary-typed-field": 1}),
    ] {
        let refused = here.post("/v1/session", &body);
        assert!(refused.status >= 400, "{}", refused.text());
        free_of("what is typed wrong", &refused.text(), &["canary-typed-key"]);
    }
    here.post_text("/v1/session", "{\"key\": \"canary-typed-key");
    assert!(value.len() > 20, "{set}");
    value.to_owned()
}

/// Receivers that take what they are told, and that do not. The signatures that they got.
fn told(app: &Client, well: &Relay, ill: &Relay) -> Vec<String> {
    let secret = "canary-path/canary-path?token=canary-hook&canary-hook";
    let host = |relay: &Relay| relay.url().trim_start_matches("http://").to_owned();
    for url in [
        format!("http://{}/{secret}", host(well)),
        format!("http://{}/{secret}", host(ill)),
        format!("http://canary-user:canary-password@{}/{secret}", host(well)),
        format!("http://nowhere.invalid/{secret}"),
    ] {
        let mut batch = rich("");
        batch["callback"] = json!({"url": url, "each": true});
        app.post("/v1/batches", &batch);
    }
    for relay in [well, ill] {
        eventually("a callback comes", SECONDS, || {
            (!relay.header("webhook-signature").is_empty()).then_some(())
        });
    }
    let signatures = [well, ill].map(|relay| relay.header("webhook-signature")).concat();
    let signatures = signatures.into_iter().flatten().flat_map(|header| {
        header.split(' ').map(|one| one.trim_start_matches("v1,").to_owned()).collect::<Vec<_>>()
    });
    signatures.inspect(|one| assert!(one.len() > 20, "{one}")).collect()
}

/// What the program says on a terminal.
fn terminal(place: &Place, server: &Server, key: &str) -> String {
    let url = server.client().url();
    let mut said = String::new();
    place.write("batch.json", rich("").to_string().as_bytes());
    let (check, plan) =
        (["check", "--config", "config.toml"], ["plan", "batch.json", "--config", "config.toml"]);
    let status = ["ledger", "status", "--config", "config.toml"];
    for arguments in [&check[..], &plan, &status, &["provider", "list", "--server", &url, "--key", key]] {
        let ran = place.run(arguments);
        assert!(!ran.said().is_empty(), "{arguments:?} says something");
        said.push_str(&ran.said());
    }
    said
}

#[track_caller]
fn free_of(what: &str, text: &str, canaries: &[&str]) {
    for canary in canaries {
        let at = text.find(canary);
        let around = at.map(|at| {
            let text: String = text.get(..at).unwrap_or_default().chars().rev().take(240).collect();
            text.chars().rev().collect::<String>()
        });
        assert!(at.is_none(), "{what} holds {canary}, after: {}", around.unwrap_or_default());
    }
}

#[test]
fn no_secret_and_no_content_is_seen_where_it_should_not_be() {
    let ran = Place::empty().run(&["--json", "keys", "new", "shop"]);
    let new: Value = serde_json::from_str(&ran.out).expect("a key");
    let (key, hash) = (new["key"].as_str().expect("a key"), new["key_sha256"].as_str().expect("a hash"));
    let mut secrets = SECRETS.to_vec();
    secrets.extend(config::SECRETS);
    secrets.push(key.rsplit('_').next().expect("the secret of the key"));
    let mut all = secrets.clone();
    all.extend(CONTENTS);
    let levels =
        [("error", "pretty"), ("info", "json"), ("debug", "pretty"), ("trace", "json"), ("trace", "pretty")];
    for (level, format) in levels {
        let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
        let (echo, telling) = (echoing(), telling());
        let receivers = [("200", "fine"), ("500", "canary-echo")];
        let receivers = receivers.map(|(status, words)| {
            Scripted::start(move |_| Scripted::http(status.parse().unwrap_or(500), "text/plain", words))
        });
        let [well, ill] = [0, 1].map(|number: usize| Relay::to(&receivers[number].url()));
        let collector = Collector::start();
        let place =
            Place::with("auth = \"keys\"", &configuration(&stage, (&echo, &telling), &collector, hash));
        let server = place
            .try_serve(&[("INTERLINE_LOG", level), ("INTERLINE_LOG__FORMAT", format)])
            .expect("it starts");
        let app = server.client().key(key);
        let said = traffic(&server, &app, &stage, &place);
        free_of("an answer", &said, &secrets);
        free_of("a terminal", &terminal(&place, &server, key), &secrets);
        let cookie = browser(&server, key);
        let mut private = told(&app, &well, &ill);
        private.push(cookie);
        let private: Vec<&str> = PRIVATE.into_iter().chain(private.iter().map(String::as_str)).collect();
        for path in [
            "/metrics",
            "/v1/config",
            "/v1/providers",
            "/v1/routes",
            "/v1/vendors",
            "/v1/migrations",
            "/v1/callbacks",
            "/readyz",
            "/openapi.json",
            "/console",
            "/docs",
        ] {
            free_of(path, &app.get(path).text(), &all);
        }
        eventually("spans come", SECONDS, || (collector.spans().len() > 20).then_some(()));
        let spans = String::from_utf8_lossy(&collector.bytes()).into_owned();
        free_of("the collector", &spans, &all);
        free_of("the collector", &spans, &private);
        free_of("/metrics", &app.get("/metrics").text(), &private);
        let log = server.log();
        assert!(level == "error" || log.len() > 200, "{level} says something");
        free_of(&format!("the log at {level}, {format}"), &log, &all);
        free_of(&format!("the log at {level}, {format}"), &log, &private);
        if format == "json" {
            let broken = log.lines().find(|line| serde_json::from_str::<Value>(line).is_err());
            assert_eq!(broken, None, "each line is JSON");
        }
    }
}
