//! The API over real HTTP, from the listener to emulated vendors and back.

mod access;
mod sending;
mod session;

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use interline_twins::{Twins, TwinsConfig};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::config::{self, Config};
use crate::house::{Answer, House};
use crate::{Server, keys};

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
        Self::serve(config, twins, folder).await
    }
}

fn texts(to: &[&str]) -> Value {
    let messages: Vec<Value> = to.iter().map(|to| json!({ "to": to })).collect();
    json!({ "from": "system", "content": { "type": "text", "text": "hi" }, "messages": messages })
}

const WAIT: (&str, &str) = ("prefer", "wait=20");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

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
