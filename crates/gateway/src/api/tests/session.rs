//! Sessions over real HTTP: what a browser may do by cookie, and when it may no more.

use super::*;

const HOST: &str = "localhost";
const OWN: [(&str, &str); 2] = [("interline-console", "1"), ("sec-fetch-site", "same-origin")];

/// Nothing is sent in these tests.
const NOWHERE: &str = "[providers.wk]\nvendor = \"wukongim\"\nbase_url = \"http://127.0.0.1:9\"\ndialect = \"v2\"\n\
                       [[routes]]\nname = \"all\"\nprovider = \"wk\"\n";

/// A gateway that asks for keys, and the file that says which.
struct Guarded {
    house: House,
    file: std::path::PathBuf,
}

fn file(folder: &std::path::Path, apps: &[(&str, &str, &str)], rest: &str) -> String {
    let apps = apps.iter().map(|(name, key, may)| {
        format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{key}\"\nmay = [{may}]\n")
    });
    let ledger = folder.join("ledger.db");
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[ledger]\nurl = \"sqlite:{}\"\n{rest}\n{}{NOWHERE}",
        ledger.display(),
        apps.collect::<String>()
    )
}

impl Guarded {
    async fn open(apps: &[(&str, &str, &str)], rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file(folder.path(), apps, rest)).unwrap();
        let config = config::read(Some(&path), BTreeMap::new(), crate::vendors::all()).unwrap();
        let twins = Twins::start(TwinsConfig::ephemeral()).await.unwrap();
        Self { house: House::serve(config, twins, folder).await, file: path }
    }

    /// Signs in; what the browser sends from then on.
    async fn sign_in(&self, key: &str) -> String {
        let answer = self.house.post("/v1/session", &OWN, &json!({ "key": key })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn by(&self, cookie: &str, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        let headers: Vec<_> = [("cookie", cookie)].into_iter().chain(more.iter().copied()).collect();
        self.house.ask((method, path), &headers, "").await
    }
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_cookie_that_reads_and_changes_until_it_is_given_back() {
    let key = keys::new("ops").unwrap();
    let guarded = Guarded::open(&[("ops", &key.sha256, "\"read\", \"admin\"")], "").await;
    let nobody = guarded.house.get("/v1/session").await.json();
    assert_eq!((&nobody["auth"], &nobody["app"]), (&json!("keys"), &Value::Null));
    let cookie = guarded.sign_in(&key.key).await;
    let who = guarded.by(&cookie, "GET", "/v1/session", &[]).await.json();
    assert_eq!((&who["app"], &who["may"]), (&json!("ops"), &json!(["read", "admin"])));
    assert!(who["expires"].as_str().unwrap().ends_with('Z'));
    assert_eq!(guarded.by(&cookie, "GET", "/v1/batches", &[]).await.status, 200);
    assert_eq!(guarded.by(&cookie, "POST", "/v1/config/reload", &OWN).await.status, 200);
    guarded.by(&cookie, "POST", "/v1/config/reload", &[]).await.problem(403, "forbidden");
    guarded.by(&cookie, "POST", "/v1/config/reload", &OWN[..1]).await.problem(403, "forbidden");
    guarded.by(&cookie, "POST", "/v1/send", &OWN).await.problem(403, "forbidden");
    let gone = guarded.by(&cookie, "DELETE", "/v1/session", &OWN).await;
    assert_eq!((gone.status, gone.header("set-cookie").contains("Max-Age=0")), (204, true));
    guarded.by(&cookie, "GET", "/v1/batches", &[]).await.problem(401, "unauthorized");
    guarded.house.close().await;
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_no_sooner() {
    let (one, other) = (keys::new("ops").unwrap(), keys::new("shop").unwrap());
    let apps = [("ops", one.sha256.as_str(), "\"admin\""), ("shop", other.sha256.as_str(), "\"read\"")];
    let guarded = Guarded::open(&apps, "").await;
    let (ops, shop) = (guarded.sign_in(&one.key).await, guarded.sign_in(&other.key).await);
    let folder = guarded.file.parent().unwrap();
    let next = [("ops", one.sha256.as_str(), "\"admin\", \"read\"")];
    std::fs::write(&guarded.file, file(folder, &next, "")).unwrap();
    guarded.by(&ops, "GET", "/v1/batches", &[]).await.problem(403, "forbidden");
    assert_eq!(guarded.by(&ops, "POST", "/v1/config/reload", &OWN).await.status, 200);
    assert_eq!(
        guarded.by(&ops, "GET", "/v1/batches", &[]).await.status,
        200,
        "what it may is looked up anew"
    );
    guarded.by(&shop, "GET", "/v1/batches", &[]).await.problem(401, "unauthorized");
    assert_eq!(guarded.by(&shop, "GET", "/v1/session", &[]).await.json()["app"], Value::Null);
    guarded.house.close().await;
}

#[tokio::test]
async fn signing_in_tells_nothing_of_keys_and_takes_no_large_body() {
    let key = keys::new("ops").unwrap();
    let guarded = Guarded::open(&[("ops", &key.sha256, "\"read\"")], "").await;
    let mut told = std::collections::BTreeSet::new();
    let (almost, short) = (format!("{}0", key.key), key.key.get(..20).unwrap().to_owned());
    for wrong in ["", "il_0_0", almost.as_str(), short.as_str(), key.sha256.as_str()] {
        let answer = guarded.house.post("/v1/session", &[], &json!({ "key": wrong })).await;
        answer.problem(401, "unauthorized");
        assert_eq!(answer.header("set-cookie"), "");
        told.insert(answer.text);
    }
    assert_eq!(told.len(), 1, "{told:?}");
    let broken = guarded.house.post("/v1/session", &[], &json!({ "key": 7, "secret": key.key })).await;
    assert!(!broken.problem(400, "invalid_body").to_string().contains(&key.key));
    let large = guarded.house.post("/v1/session", &[], &json!({ "key": "x".repeat(10_000) })).await;
    large.problem(413, "too_large");
    let foreign = [("origin", "https://page.example"), ("host", HOST)];
    guarded.house.post("/v1/session", &foreign, &json!({ "key": key.key })).await.problem(403, "forbidden");
    guarded.house.close().await;
}

#[tokio::test]
async fn without_a_console_there_are_no_sessions_and_no_pages() {
    let key = keys::new("ops").unwrap();
    let apps = [("ops", key.sha256.as_str(), "\"read\"")];
    let guarded = Guarded::open(&apps, "[console]\nenabled = false").await;
    for path in ["/console", "/console/", "/console/app.js", "/v1/session"] {
        guarded.house.get(path).await.problem(404, "not_found");
    }
    guarded.house.post("/v1/session", &[], &json!({ "key": key.key })).await.problem(404, "not_found");
    guarded.house.close().await;
}

#[tokio::test]
async fn pages_and_links_into_them_are_served_to_everybody() {
    let house = House::open().await;
    let door = house.get("/console").await;
    assert_eq!((door.status, door.header("location")), (308, "/console/"));
    let shell = house.get("/console/").await;
    assert_eq!((shell.status, shell.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(shell.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(house.get("/console/batches/bat_01a1").await.text, shell.text);
    let again = house.ask(("GET", "/console/"), &[("if-none-match", shell.header("etag"))], "").await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    house.get("/console/nothing.js").await.problem(404, "not_found");
    let who = house.get("/v1/session").await.json();
    assert_eq!(
        (&who["auth"], &who["app"], &who["expires"]),
        (&json!("off"), &json!("default"), &Value::Null)
    );
    house.close().await;
}

#[tokio::test]
async fn causes_and_files_tell_why_messages_failed() {
    let house = House::open().await;
    let mut body = texts(&["user:a", "room:no-number", "room:nor-this"]);
    body["validation"] = json!("permissive");
    let id = house.post("/v1/batches", &[("prefer", "wait=20")], &body).await.json();
    let id = id["id"].as_str().unwrap().to_owned();
    let causes = house.get(&format!("/v1/batches/{id}/causes")).await.json();
    let cause = &causes["causes"][0];
    assert_eq!((&cause["count"], &cause["code"]), (&json!(2), &json!("invalid_message")), "{causes}");
    assert_eq!((&cause["messages"], &causes["others"]), (&json!(["msg_1", "msg_2"]), &json!(0)));
    let rows = house.get(&format!("/v1/batches/{id}/messages?format=csv")).await;
    assert_eq!(rows.header("content-disposition"), format!("attachment; filename=\"{id}.csv\""));
    assert_eq!(rows.text.lines().count(), 4);
    let lines = house.get(&format!("/v1/batches/{id}/messages?format=ndjson&status=rejected")).await;
    assert_eq!(lines.text.lines().count(), 2);
    house.get(&format!("/v1/batches/{id}/messages?format=xml")).await.problem(400, "invalid_parameter");
    house.close().await;
}

/// The beginning of a stream.
async fn begins(house: &House, path: &str, headers: &[(&str, &str)], until: &str) -> String {
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    let mut request = http::Request::builder().uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut text = String::new();
    let read = async {
        while !text.contains(until) {
            let Some(frame) = body.frame().await else { break };
            text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), read).await.unwrap();
    text
}

#[tokio::test]
async fn who_follows_gets_the_past_then_what_is_now_and_sees_his_own_alone() {
    let house = House::open().await;
    house.post("/v1/batches", &[("prefer", "wait=20")], &texts(&["user:a"])).await;
    let text = begins(&house, "/v1/events", &[], "event: overview").await;
    assert!(text.starts_with("id: 1\nevent: history\ndata: {"), "{text}");
    let told = text.split("event: overview\ndata: ").nth(1).unwrap().lines().next().unwrap();
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!(told["lanes"].as_array().unwrap().len(), 4);
    let batch = &told["batches"][0];
    assert_eq!((&batch["app"], &batch["counts"]["accepted"]), (&json!("default"), &json!(1)));
    house.get("/v1/events?app=other").await.problem(400, "invalid_parameter");
    house.close().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_began_it() {
    let key = keys::new("ops").unwrap();
    let guarded = Guarded::open(&[("ops", &key.sha256, "\"read\"")], "").await;
    let cookie = guarded.sign_in(&key.key).await;
    let headers = [("cookie", cookie.as_str())];
    let following = begins(&guarded.house, "/v1/events", &headers, "never said");
    let ending = async {
        begins(&guarded.house, "/v1/events", &headers, "event: overview").await;
        guarded.by(&cookie, "DELETE", "/v1/session", &OWN).await
    };
    let (text, _) = tokio::join!(following, ending);
    assert!(text.contains("event: overview"), "{text}");
    guarded.house.get("/v1/events").await.problem(401, "unauthorized");
    guarded.house.close().await;
}
