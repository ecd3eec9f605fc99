//! The API over real HTTP, from the listener to emulated vendors and back.

mod session;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use interline_twins::{Twins, TwinsConfig};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::config::{self, Config};
use crate::{Server, keys};

/// A gateway in front of twins.
struct House {
    address: SocketAddr,
    twins: Twins,
    stop: Option<oneshot::Sender<()>>,
    run: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// An answer, whole.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)));
        body
    }
}

impl House {
    async fn open() -> Self {
        Self::with(&[], "").await
    }

    async fn with(overrides: &[(&str, &str)], rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let ledger = folder.path().join("ledger.db");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.toml");
        std::fs::write(&config, std::fs::read_to_string(shipped).unwrap() + rest).unwrap();
        let twins = Twins::start(TwinsConfig::ephemeral()).await.unwrap();
        let mut pairs = BTreeMap::from([
            ("INTERLINE_SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("INTERLINE_LEDGER__URL".to_owned(), format!("sqlite:{}", ledger.display())),
        ]);
        for (key, value) in overrides {
            pairs.insert(format!("INTERLINE_SERVER__{key}"), (*value).to_owned());
        }
        let urls = [twins.wukongim().url(), twins.openim().url(), twins.imkit().url(), twins.netease().url()];
        for (name, url) in ["WK_MAIN", "OIM", "KIT", "NE"].iter().zip(urls) {
            pairs.insert(format!("INTERLINE_PROVIDERS__{name}__BASE_URL"), url);
        }
        let config: Config = config::read(Some(&config), pairs, crate::vendors::all()).unwrap();
        let server = Server::bind(config).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, twins, stop: Some(stop), run, _folder: folder }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async { drop(connection.await) });
        let mut request = http::Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.ask("POST", path, headers, &body.to_string()).await
    }

    async fn close(mut self) {
        drop(self.stop.take());
        (&mut self.run).await.unwrap();
    }
}

fn texts(to: &[&str]) -> Value {
    let messages: Vec<Value> = to.iter().map(|to| json!({ "to": to })).collect();
    json!({ "from": "system", "content": { "type": "text", "text": "hi" }, "messages": messages })
}

const WAIT: (&str, &str) = ("prefer", "wait=20");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

#[tokio::test]
async fn a_direct_send_answers_with_a_result_for_each_message() {
    let house = House::open().await;
    let answer = house.post("/v1/send", &[], &texts(&["room:1", "user:alice"])).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["state"], &body["counts"]["accepted"]), (&json!("settled"), &json!(2)), "{body}");
    let results: Vec<_> = body["results"].as_array().unwrap().iter().map(|one| &one["to"]).collect();
    assert_eq!(results, ["room:1", "user:alice"]);
    assert!(answer.header("interline-provider").contains("ne"), "{:?}", answer.headers);
    assert_eq!(house.twins.netease().total(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_batch_is_stored_then_settled_and_can_be_read() {
    let house = House::open().await;
    let answer = house.post("/v1/batches", &[], &texts(&["room:1"])).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let first = answer.json();
    let id = first["id"].as_str().unwrap();
    assert_eq!(first["links"]["self"], format!("/v1/batches/{id}"));

    let waited = house.post("/v1/batches", &[WAIT], &texts(&["room:1", "room:2", "room:3"])).await;
    assert_eq!((waited.status, waited.header("preference-applied")), (200, "wait=20"), "{}", waited.text);
    let body = waited.json();
    assert_eq!((&body["state"], body["results"].as_array().unwrap().len()), (&json!("settled"), 3));
    let id = body["id"].as_str().unwrap();

    let one = house.get(&format!("/v1/batches/{id}")).await.json();
    assert_eq!((&one["state"], &one["app"]), (&json!("settled"), &json!("default")));
    let list = house.get("/v1/batches?limit=1").await.json();
    assert_eq!((&list["batches"][0]["id"], list["next_cursor"].is_string()), (&json!(id), true));
    let page = house.get(&format!("/v1/batches/{id}/messages?limit=2")).await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = house.get(&format!("/v1/batches/{id}/messages?limit=2&cursor={cursor}")).await.json();
    assert_eq!((page["messages"].as_array().unwrap().len(), &page["next_cursor"]), (1, &Value::Null));
    for path in [&format!("/v1/batches/{id}/messages") as &str, "/v1/batches", "/v1/callbacks"] {
        house.get(&format!("{path}?cursor=elsewhere")).await.problem(400, "invalid_parameter");
    }
    let found = house.get("/v1/messages?to=room:2&since=1h").await.json();
    assert_eq!(found["messages"][0]["batch_id"], id);
    let events = house.get(&format!("/v1/batches/{id}/events")).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert!(events.text.starts_with("id: 1\nevent: batch\ndata: {") && events.text.ends_with("\n\n"));
    house.close().await;
}

#[tokio::test]
async fn results_stream_as_lines_and_as_csv() {
    let house = House::open().await;
    let to: Vec<String> = (1..=5).map(|n| format!("room:{n}")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let id = house.post("/v1/batches", &[WAIT], &texts(&to)).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/batches/{id}/messages");
    let lines = house.ask("GET", &path, &[("accept", "application/x-ndjson")], "").await;
    assert_eq!((lines.header("content-type"), lines.text.lines().count()), ("application/x-ndjson", 5));
    let csv = house.ask("GET", &format!("{path}?status=accepted"), &[("accept", "text/csv")], "").await;
    assert_eq!(csv.text.lines().count(), 6);
    assert!(csv.text.starts_with("id,to,status,"));
    house.close().await;
}

#[tokio::test]
async fn ndjson_is_one_batch() {
    let house = House::open().await;
    let head = json!({ "from": "system", "content": { "type": "text", "text": "hi" } });
    let lines: Vec<String> =
        (0..300).map(|n| json!({ "to": format!("room:{}", n % 30 + 1) }).to_string()).collect();
    let answer = house.ask("POST", "/v1/batches", &[NDJSON], &format!("{head}\n{}", lines.join("\n"))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["counts"]["total"], 300);

    let bad = house.ask("POST", "/v1/batches", &[NDJSON], &format!("{head}\n{{\"to\":\"nobody\"}}\n")).await;
    let problem = bad.problem(400, "invalid_body");
    assert!(problem["errors"][0]["path"].as_str().unwrap().starts_with("line 2"), "{problem}");

    let long = format!("{head}\n{{\"to\":\"room:1\",\"id\":\"{}\"}}\n", "x".repeat(300 * 1024));
    let problem = house.ask("POST", "/v1/batches", &[NDJSON], &long).await.problem(413, "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("max_line_kb = 256"), "{problem}");
    let empty = house.ask("POST", "/v1/batches", &[NDJSON], "").await;
    empty.problem(400, "invalid_body");
    assert_eq!(house.get("/v1/batches").await.json()["batches"].as_array().unwrap().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let house = House::open().await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = json!({ "from": "system", "content": { "type": "text", "text": "hi" } });
    let text = format!(
        "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: 100000\r\n\r\n{head}\n{{\"to\":\"room:1\"}}\n"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let listed = async || house.get("/v1/batches").await.json()["batches"].as_array().unwrap().len();
    let until = async |wanted: usize| while listed().await != wanted {};
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        until(1).await;
        drop(stream);
        until(0).await;
    })
    .await
    .unwrap();
    assert_eq!(house.twins.netease().calls(), 0);
    house.close().await;
}

#[tokio::test]
async fn an_idempotency_key_answers_once() {
    let house = House::open().await;
    for path in ["/v1/batches", "/v1/send"] {
        let key = [("idempotency-key", path)];
        let first = house.post(path, &key, &texts(&["room:1"])).await;
        let again = house.post(path, &key, &texts(&["room:1"])).await;
        assert_eq!(first.header("idempotency-replayed"), "");
        assert_eq!((again.status, again.header("idempotency-replayed")), (first.status, "true"));
        assert_eq!(first.json()["id"], again.json()["id"]);
        let other = house.post(path, &key, &texts(&["room:2"])).await;
        other.problem(409, "idempotency_mismatch");
    }
    let long = "x".repeat(256);
    let wrong = house.post("/v1/send", &[("idempotency-key", &long)], &texts(&["room:1"])).await;
    wrong.problem(400, "invalid_parameter");
    house.close().await;
}

#[tokio::test]
async fn a_bad_body_is_told_field_by_field() {
    let house = House::open().await;
    for path in ["/v1/batches", "/v1/send"] {
        let body = json!({ "messages": [{ "to": "user:a", "content": { "type": "text", "text": "x" }, "colour": 1 }, { "to": "x" }] });
        let problem = house.post(path, &[], &body).await.problem(400, "invalid_body");
        let paths: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
        assert!(paths.contains(&&json!("/messages/0/colour")), "{problem}");
        assert!(paths.contains(&&json!("/messages/1/to")), "{problem}");
    }
    for body in ["", "{", "[]", "\"\\ud800\"", "null"] {
        house.ask("POST", "/v1/send", &[], body).await.problem(400, "invalid_body");
    }
    house.get("/v1/batches?colour=1").await.problem(400, "invalid_parameter");
    house.post("/v1/send?timeout=61", &[], &texts(&["room:1"])).await.problem(400, "invalid_parameter");
    house
        .post("/v1/batches", &[("prefer", "wait=x")], &texts(&["room:1"]))
        .await
        .problem(400, "invalid_parameter");
    assert_eq!(house.twins.netease().calls(), 0);
    house.close().await;
}

#[tokio::test]
async fn nothing_there_is_a_problem_that_names_the_path() {
    let house = House::open().await;
    let problem = house.get("/v1/nowhere").await.problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("GET /v1/nowhere"));
    let answer = house.get("/v1/send").await;
    assert!(answer.problem(405, "method_not_allowed")["detail"].as_str().unwrap().contains("/v1/send"));
    assert_eq!(answer.header("allow"), "POST");
    house.get("/v1/batches/%ff").await.problem(404, "not_found");
    for path in ["/v1/batches/bat_none", "/v1/batches/bat_none/messages", "/v1/batches/bat_none/events"] {
        house.get(path).await.problem(404, "not_found");
    }
    house.close().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_both_limits() {
    let house = House::with(&[("MAX_BODY_MB", "1")], "").await;
    let body = format!("{{\"messages\":[],\"trace_id\":\"{}\"}}", "x".repeat(1 << 20));
    let problem = house.ask("POST", "/v1/send", &[], &body).await.problem(413, "too_large");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("max_body_mb = 1 ") && detail.contains("max_line_kb"), "{detail}");
    house.close().await;
}

#[tokio::test]
async fn a_plan_sends_nothing() {
    let house = House::open().await;
    let answer = house.post("/v1/plan", &[], &texts(&["room:1", "room:1", "user:a"])).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let plan = answer.json();
    assert_eq!((&plan["totals"]["messages"], &plan["messages"][0]["provider"]), (&json!(3), &json!("ne")));
    assert_eq!(house.twins.netease().total(), 0);
    assert_eq!(house.get("/v1/batches").await.json()["batches"], json!([]));
    house.close().await;
}

#[tokio::test]
async fn what_there_is_can_be_read_and_no_secret_with_it() {
    let house = House::open().await;
    for (path, key) in [
        ("/v1/providers", "providers"),
        ("/v1/vendors", "vendors"),
        ("/v1/routes", "routes"),
        ("/v1/config", "server"),
    ] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(!answer.json()[key].is_null(), "{path}");
        for secret in ["openIM123", "twin-imkit-key", "twin-app-secret"] {
            assert!(!answer.text.contains(secret), "{path} shows {secret}");
        }
    }
    assert_eq!(house.get("/v1/vendors").await.json()["vendors"].as_array().unwrap().len(), 4);
    assert_eq!(house.get("/livez").await.status, 200);
    assert_eq!(house.get("/readyz").await.status, 200);
    let metrics = house.get("/metrics").await.text;
    assert!(
        metrics.contains("interline_http_requests_total{endpoint=\"settings\",status=\"200\"}"),
        "{metrics}"
    );
    assert_eq!((metrics.matches("# EOF").count(), metrics.ends_with("# EOF\n")), (1, true));
    house.close().await;
}

#[tokio::test]
async fn an_app_sees_its_own_batches_and_an_admin_all() {
    let [shop, news, boss] = ["shop", "news", "boss"].map(|name| keys::new(name).unwrap());
    let may =
        |key: &keys::NewKey, may: &str| format!("{}\n", key.config.replace("[\"send\", \"read\"]", may));
    let rest = [
        may(&shop, "[\"send\", \"read\"]\nmessages_per_second = 2"),
        may(&news, "[\"read\"]"),
        may(&boss, "[\"read\", \"admin\"]"),
    ];
    let house = House::with(&[("AUTH", "keys")], &format!("\n{}", rest.concat())).await;
    let bearer = |key: &keys::NewKey| format!("Bearer {}", key.key);
    let [shop, news, boss] = [bearer(&shop), bearer(&news), bearer(&boss)];
    let (shop, news, boss) =
        (("authorization", &*shop), ("authorization", &*news), ("authorization", &*boss));

    let body = texts(&["room:1", "room:2"]);
    let nobody = house.post("/v1/send", &[], &body).await;
    nobody.problem(401, "unauthorized");
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
    house.post("/v1/send", &[news], &body).await.problem(403, "forbidden");
    let sent = house.post("/v1/batches", &[shop, WAIT], &body).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let path = format!("/v1/batches/{}", sent.json()["id"].as_str().unwrap());

    for (who, status) in [(shop, 200), (news, 404), (boss, 200)] {
        assert_eq!(house.ask("GET", &path, &[who], "").await.status, status);
        assert_eq!(house.ask("GET", &format!("{path}/messages"), &[who], "").await.status, status);
        let seen = usize::from(status == 200);
        let list = house.ask("GET", "/v1/batches", &[who], "").await.json();
        assert_eq!(list["batches"].as_array().unwrap().len(), seen);
        let found = house.ask("GET", "/v1/messages?to=room:1", &[who], "").await.json();
        assert_eq!(found["messages"].as_array().unwrap().len(), seen);
    }
    house.ask("GET", "/v1/batches?app=shop", &[news], "").await.problem(403, "forbidden");
    house.ask("GET", "/v1/config", &[shop], "").await.problem(403, "forbidden");
    assert_eq!(house.ask("GET", "/v1/config", &[boss], "").await.status, 200);
    house.close().await;
}

#[tokio::test]
async fn samples_of_a_migration_are_for_those_who_may_see_all_apps() {
    let [shop, news, boss] = ["shop", "news", "boss"].map(|name| keys::new(name).unwrap());
    let may = |key: &keys::NewKey, may: &str| {
        format!("{}\n", key.config.replace("[\"send\", \"read\"]", &format!("[{may}]")))
    };
    let rest = [may(&shop, "\"send\""), may(&news, "\"read\""), may(&boss, "\"read\", \"admin\"")].concat();
    let house = House::with(&[("AUTH", "keys")], &format!("\n{rest}")).await;
    let [shop, news, boss] = [shop, news, boss].map(|key| format!("Bearer {}", key.key));
    let path = |verb: &str| format!("/v1/migrations/wk-to-oim/{verb}");
    let started = house.post(&path("start"), &[("authorization", &boss)], &json!({})).await;
    assert_eq!(started.status, 200, "{}", started.text);
    let raw = json!({ "type": "raw", "vendor": "wukongim", "body": { "type": 1, "content": "secret" } });
    let body = json!({ "from": "system", "content": raw, "messages": [{ "id": "order-7", "to": "user:a" }] });
    assert_eq!(house.post("/v1/send", &[("authorization", &shop)], &body).await.status, 200);
    let report = async |who: &str| house.ask("GET", &path("report"), &[("authorization", who)], "").await;
    let mut seen = json!({});
    for _ in 0..200 {
        seen = report(&boss).await.json();
        if seen["shadow"]["messages"] == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let cause = &seen["shadow"]["causes"][0];
    assert_eq!(cause["sample"]["message"], "order-7", "{seen}");
    let seen = report(&news).await;
    assert!(seen.status == 200 && !seen.text.contains("order-7"), "{}", seen.text);
    let cause = &seen.json()["shadow"]["causes"][0];
    assert_eq!(
        (&cause["count"], &cause["detail"], &cause["sample"]),
        (&json!(1), &json!(null), &json!(null))
    );
    house.close().await;
}

#[tokio::test]
async fn an_app_over_its_rate_is_told_when_to_come_back() {
    let key = keys::new("shop").unwrap();
    let house =
        House::with(&[("AUTH", "keys")], &format!("\n{}\nmessages_per_second = 2\n", key.config)).await;
    let bearer = format!("Bearer {}", key.key);
    let headers = [("authorization", &*bearer)];
    let wrong = json!({ "messages": [{ "to": "x" }, { "to": "y" }, { "to": "z" }, { "to": "z" }] });
    house.post("/v1/batches", &headers, &wrong).await.problem(400, "invalid_body");
    let many: Vec<String> = (1..=40).map(|n| format!("room:{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(house.post("/v1/batches", &headers, &texts(&many)).await.status, 202);
    let answer = house.post("/v1/batches", &headers, &texts(&["room:1"])).await;
    answer.problem(429, "rate_limited");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((15..=19).contains(&wait), "{wait}");
    house.close().await;
}

#[tokio::test]
async fn lines_that_sent_nothing_cost_an_app_nothing() {
    let key = keys::new("shop").unwrap();
    let house =
        House::with(&[("AUTH", "keys")], &format!("\n{}\nmessages_per_second = 2\n", key.config)).await;
    let bearer = format!("Bearer {}", key.key);
    let ask = async |id: &str, to: &str| {
        let head = json!({ "from": "system", "content": { "type": "text", "text": "hi" } });
        let lines =
            format!("{head}\n\n{{\"to\":\"{to}\",\"id\":\"m\"}}\n{{\"to\":\"{to}\",\"id\":\"{id}\"}}\n");
        let headers = [("authorization", &*bearer), NDJSON, ("idempotency-key", "once")];
        house.ask("POST", "/v1/batches", &headers, &lines).await
    };
    for _ in 0..6 {
        ask("n", "nobody").await.problem(400, "invalid_body");
        // Only the whole tells that an id stands twice.
        ask("m", "room:1").await.problem(400, "invalid_body");
    }
    for replayed in ["", "true", "true", "true", "true"] {
        let answer = ask("n", "room:1").await;
        assert_eq!(
            (answer.status, answer.header("idempotency-replayed")),
            (202, replayed),
            "{}",
            answer.text
        );
    }
    house.close().await;
}

#[tokio::test]
async fn steering_takes_a_scope_and_sending_again_takes_that_of_sending() {
    let [shop, news, boss, both] = ["shop", "news", "boss", "both"].map(|name| keys::new(name).unwrap());
    let may =
        |key: &keys::NewKey, may: &str| format!("{}\n", key.config.replace("[\"send\", \"read\"]", may));
    let rest = [
        may(&shop, "[\"send\", \"read\"]"),
        may(&news, "[\"read\"]"),
        may(&boss, "[\"read\", \"admin\"]"),
        may(&both, "[\"send\", \"admin\"]"),
    ];
    let house = House::with(&[("AUTH", "keys")], &format!("\n{}", rest.concat())).await;
    let [shop, news, boss, both] = [shop, news, boss, both].map(|key| format!("Bearer {}", key.key));
    let ask = async |path: &str, who: &str| {
        let answer = house.ask("POST", path, &[("authorization", who)], "{}").await;
        if answer.status == 403 {
            answer.problem(403, "forbidden");
        }
        answer.status
    };
    let mut body = texts(&["room:1", "room:2"]);
    body["send_at"] = json!("2100-01-01T00:00:00Z");
    let batch = house.post("/v1/batches", &[("authorization", &*shop)], &body).await.json();
    let path = |verb: &str| format!("/v1/batches/{}/{verb}", batch["id"].as_str().unwrap());
    for verb in ["pause", "resume", "cancel", "redrive"] {
        assert_eq!(ask(&path(verb), &news).await, 403, "{verb}");
    }
    for verb in ["pause", "resume"] {
        assert_eq!(ask(&path(verb), &shop).await, 200, "{verb}");
        assert_eq!(ask(&path(verb), &boss).await, 200, "{verb}");
        assert_eq!(ask(&format!("/v1/providers/ne/{verb}"), &shop).await, 403, "{verb}");
        assert_eq!(ask(&format!("/v1/providers/ne/{verb}"), &boss).await, 200, "{verb}");
    }
    assert_eq!(ask(&path("cancel"), &boss).await, 200);
    assert_eq!(ask(&path("redrive"), &boss).await, 403);
    // Nothing was rejected: whoever gets that far may send again.
    assert_eq!((ask(&path("redrive"), &shop).await, ask(&path("redrive"), &both).await), (409, 409));
    house.close().await;
}

#[tokio::test]
async fn without_keys_web_pages_of_others_are_refused() {
    let house = House::open().await;
    let page = [("origin", "https://page.example")];
    house.post("/v1/send", &page, &texts(&["room:1"])).await.problem(403, "forbidden");
    assert_eq!(house.twins.netease().calls(), 0);
    house.close().await;
}

#[tokio::test]
async fn stopping_lets_a_request_finish_and_ends_event_streams() {
    let mut house = House::open().await;
    let body = json!({ "from": "system", "content": { "type": "text", "text": "hi" },
        "messages": [{ "to": "room:1" }], "send_at": "2100-01-01T00:00:00Z" });
    let id = house.post("/v1/batches", &[], &body).await.json()["id"].as_str().unwrap().to_owned();
    let (path, stop) = (format!("/v1/batches/{id}/events"), house.stop.take());
    let (events, ()) = tokio::join!(house.get(&path), async {
        // The stream is open once its request was counted.
        while !house.get("/metrics").await.text.contains("{id}/events") {}
        drop(stop);
    });
    assert_eq!((events.status, events.text.matches("event: batch").count()), (200, 1));
    (&mut house.run).await.unwrap();
    assert!(TcpStream::connect(house.address).await.is_err());
}

#[tokio::test]
async fn a_second_server_on_the_same_address_touches_nothing() {
    let house = House::open().await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.db");
    let pairs = BTreeMap::from([
        ("INTERLINE_SERVER__LISTEN".to_owned(), house.address.to_string()),
        ("INTERLINE_LEDGER__URL".to_owned(), format!("sqlite:{}", ledger.display())),
    ]);
    let shipped = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.toml"));
    let config = config::read(Some(shipped), pairs, crate::vendors::all()).unwrap();
    let error = Server::bind(config).await.unwrap_err().to_string();
    assert!(error.contains(&house.address.to_string()) && error.contains("server.listen"), "{error}");
    assert!(!ledger.exists());
    house.close().await;
}
