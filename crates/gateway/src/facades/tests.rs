//! Façades over real HTTP, from the listener to emulated vendors and back. What the vendors' formats are is
//! tested beside each of them; here it is who gets a request and what becomes of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use interline_twins::{Fault, FaultKind, Twins, TwinsConfig, Vendor};
use serde_json::json;
use tokio::net::TcpStream;

use crate::config;
use crate::house::{Answer, House};

impl House {
    /// A server in front of a WuKongIM and an IMKit twin, with these façades and apps.
    async fn with_facades(facades: &str) -> Self {
        let twins =
            Twins::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "v2").unlimited()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nauth = \"off\"\nmax_body_mb = 1\n[ledger]\nurl = \"sqlite:{}\"\n\
             [[apps]]\nname = \"slow\"\nkey_sha256 = \"{}\"\nmessages_per_second = 1\n\
             [providers.wk]\nvendor = \"wukongim\"\nbase_url = \"{}\"\ndialect = \"v2\"\ndefault_sender = \"system\"\n\
             [providers.kit]\nvendor = \"imkit\"\nbase_url = \"{}\"\napi_key = \"twin-imkit-key\"\ndefault_sender = \"system\"\n\
             [[routes]]\nname = \"kit\"\nwhen = {{ id = \"kit-*\" }}\nprovider = \"kit\"\n\
             [[routes]]\nname = \"rest\"\nprovider = \"wk\"\n{facades}",
            folder.path().join("ledger.db").display(),
            "0".repeat(64),
            twins.wukongim().url(),
            twins.imkit().url(),
        );
        std::fs::write(&path, text).unwrap();
        let config = config::read(Some(&path), BTreeMap::new(), crate::vendors::all()).unwrap();
        Self::serve(config, twins, folder).await
    }

    async fn send(&self, token: &str, to: &str, text: &str) -> Answer {
        self.ask(("POST", "/message/send"), &[("token", token)], &message(to, text)).await
    }

    /// Puts the configuration in force with something else in it.
    async fn reload(&self, from: &str, to: &str) {
        let path = self.folder.path().join("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let said = self.ask(("POST", "/v1/config/reload"), &[], "{}").await;
        assert_eq!(said.status, 200, "{}", said.text);
    }
}

/// A message as WuKongIM's callers write it.
fn message(to: &str, text: &str) -> String {
    use base64::Engine as _;
    let payload = json!({"type": 1, "content": text}).to_string();
    let payload = base64::engine::general_purpose::STANDARD.encode(payload);
    json!({"from_uid": "a", "channel_id": to, "channel_type": 1, "payload": payload,
        "header": {"no_persist": 0, "red_dot": 1, "sync_once": 0}})
    .to_string()
}

fn wukongim(name: &str, token: &str, more: &str) -> String {
    format!("[[facades]]\nname = \"{name}\"\nvendor = \"wukongim\"\ntoken = \"{token}\"\n{more}\n")
}

#[tokio::test]
async fn of_two_facades_of_one_vendor_the_one_that_knows_the_caller_answers() {
    let house = House::with_facades(
        &(wukongim("one", "t-1", "route = \"rest\"") + &wukongim("two", "t-2", "route = \"kit\"")),
    )
    .await;
    let first = house.send("t-1", "u1", "hi").await;
    assert_eq!((first.status, first.header("interline-provider")), (200, "wk"), "{}", first.text);
    let second = house.send("t-2", "u1", "hi").await;
    assert_eq!((second.status, second.header("interline-provider")), (200, "kit"), "{}", second.text);
    let stranger = house.send("t-3", "u1", "hi").await;
    assert!(stranger.status >= 400 && stranger.header("interline-provider").is_empty(), "{}", stranger.text);
    assert_eq!((house.twins.wukongim().total(), house.twins.imkit().total()), (1, 1));
    let metrics = house.ask(("GET", "/metrics"), &[], "").await.text;
    assert!(metrics.contains("endpoint=\"facade:one\",status=\"200\"} 1"), "{metrics}");
    house.close().await;
}

#[tokio::test]
async fn a_repeat_says_so_and_sends_nothing() {
    let house = House::with_facades(&wukongim("one", "t-1", "")).await;
    let first = house.send("t-1", "u1", "hi").await;
    assert_eq!((first.status, first.header("interline-repeated")), (200, ""), "{}", first.text);
    let again = house.send("t-1", "u1", "hi").await;
    assert_eq!((again.status, again.header("interline-repeated")), (200, "true"), "{}", again.text);
    assert_eq!(again.json()["data"]["message_id"], first.json()["data"]["message_id"], "{}", again.text);
    assert_eq!(house.twins.wukongim().total(), 1);
    house.close().await;
}

#[tokio::test]
async fn limits_of_the_app_hold_and_are_told_in_the_vendors_words() {
    let house = House::with_facades(&wukongim("one", "t-1", "app = \"slow\"")).await;
    let mut refused = None;
    for number in 0..6 {
        let said = house.send("t-1", "u1", &format!("hi {number}")).await;
        if said.status != 200 {
            refused = Some(said);
            break;
        }
        // What is answered from memory costs nothing.
        assert_eq!(
            house.send("t-1", "u1", &format!("hi {number}")).await.header("interline-repeated"),
            "true"
        );
    }
    let refused = refused.expect("a message a second");
    assert!(refused.status >= 400, "{}", refused.text);
    assert!(house.twins.wukongim().total() <= 3);
    house.close().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_fails_in_the_vendors_words() {
    let house = House::with_facades(&wukongim("one", "t-1", "")).await;
    let large = house.send("t-1", "u1", &"x".repeat(2 << 20)).await;
    assert_eq!(large.status, 413, "{}", large.text);
    assert_ne!(large.header("content-type"), "application/problem+json");
    let coded = [("token", "t-1"), ("content-encoding", "gzip")];
    let coded = house.ask(("POST", "/message/send"), &coded, "x").await;
    assert!(
        coded.status >= 400 && coded.header("content-type") != "application/problem+json",
        "{}",
        coded.text
    );
    house.close().await;
}

#[tokio::test]
async fn a_facade_without_credentials_answers_no_web_page() {
    let house = House::with_facades("[[facades]]\nname = \"open\"\nvendor = \"wukongim\"\n").await;
    let body = message("u1", "hi");
    let page = [("origin", "https://page.example")];
    assert_eq!(house.ask(("POST", "/message/send"), &page, &body).await.status, 403);
    assert_eq!(house.ask(("POST", "/message/send"), &[], &body).await.status, 200);
    house.close().await;
}

#[tokio::test]
async fn what_is_not_served_is_404_or_passed_on() {
    let facades = wukongim("one", "t-1", "passthrough = \"wk\"")
        + "[[facades]]\nname = \"kit\"\nvendor = \"imkit\"\napi_key = \"k-1\"\n";
    let house = House::with_facades(&facades).await;
    let nobody = house.ask(("GET", "/nowhere"), &[], "").await;
    assert_eq!((nobody.status, nobody.header("content-type")), (404, "application/problem+json"));
    let named = house
        .ask(("GET", "/groups/7"), &[("x-api-key", "k-1"), ("apikey", "k-1"), ("im-api-key", "k-1")], "")
        .await;
    assert_eq!(named.status, 404, "{}", named.text);
    assert!(
        named.text.contains("RC") && named.text.contains("GET /groups/7"),
        "as the vendor says it: {}",
        named.text
    );
    let stranger = house.ask(("GET", "/varz?x=1"), &[("token", "t-9")], "").await;
    assert!(stranger.status >= 400 && stranger.header("interline-provider").is_empty(), "{}", stranger.text);
    let passed = house.ask(("GET", "/readyz"), &[("token", "t-1")], "").await;
    assert_eq!(passed.status, 200, "the API's own paths come first: {}", passed.text);
    let passed = house.ask(("GET", "/route?uid=a"), &[("token", "t-1")], "").await;
    assert_eq!(passed.header("interline-provider"), "wk", "{} {}", passed.status, passed.text);
    house.close().await;
}

#[tokio::test]
async fn a_facade_with_an_address_of_its_own_is_served_there_alone() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::with_facades(&wukongim("one", "t-1", &format!("listen = \"{free}\""))).await;
    let line = ("POST", "/message/send");
    assert_eq!(house.ask(line, &[("token", "t-1")], &message("u1", "hi")).await.status, 404);
    let own = house.ask_at(free, line, &[("token", "t-1")], &message("u1", "hi")).await;
    assert_eq!(own.status, 200, "{}", own.text);
    let api = house.ask_at(free, ("GET", "/v1/config"), &[("token", "t-1")], "").await;
    assert_eq!(api.status, 404, "no API there: {}", api.text);
    assert!(api.text.contains("passthrough") && api.text.contains("/v1/config"), "{}", api.text);
    house.close().await;
}

#[tokio::test]
async fn a_slow_vendor_is_not_waited_for_beyond_the_time() {
    let house = House::with_facades(&wukongim("one", "t-1", "answer_within = \"500ms\"")).await;
    house.twins.wukongim().set_fault(Fault::new(FaultKind::Hang).times(1));
    let began = std::time::Instant::now();
    let unknown = house.send("t-1", "u1", "hi").await;
    assert!(
        unknown.status >= 500 && began.elapsed().as_millis() < 2_500,
        "{} {}",
        unknown.status,
        unknown.text
    );
    let calls = house.twins.wukongim().calls();
    let again = house.send("t-1", "u1", "hi").await;
    assert_eq!(
        (again.status, again.header("interline-repeated")),
        (unknown.status, "true"),
        "{}",
        again.text
    );
    assert_eq!(house.twins.wukongim().calls(), calls);
    house.close().await;
}

#[tokio::test]
async fn a_large_body_of_whoever_may_not_ask_is_not_read() {
    let house = House::with_facades(&wukongim("one", "t-1", "")).await;
    let large = house.send("t-9", "u1", &"x".repeat(2 << 20)).await;
    assert_eq!(large.status, 401, "as for a small one: {}", large.text);
    assert_eq!(house.send("t-9", "u1", "hi").await.status, 401);
    house.close().await;
}

#[tokio::test]
async fn a_path_that_two_vendors_have_is_his_whose_request_it_is() {
    let facades = "[[facades]]\nname = \"kit\"\nvendor = \"imkit\"\napi_key = \"k-1\"\n".to_owned()
        + &wukongim("one", "t-1", "passthrough = \"wk\"");
    let house = House::with_facades(&facades).await;
    let line = ("POST", "/messages");
    let passed = house.ask(line, &[("token", "t-1")], "{}").await;
    assert_eq!(passed.header("interline-provider"), "wk", "{} {}", passed.status, passed.text);
    let kits = house.ask(line, &[("im-api-key", "k-9"), ("token", "t-1")], "{}").await;
    assert!(kits.text.contains("INVALID_API_KEY"), "{}", kits.text);
    let nobodys = house.ask(line, &[], "{}").await;
    assert!(nobodys.status >= 400 && nobodys.header("interline-provider").is_empty(), "{}", nobodys.text);
    house.close().await;
}

#[tokio::test]
async fn what_is_served_is_not_passed_on_by_another_spelling() {
    let house = House::with_facades(&wukongim("one", "t-1", "passthrough = \"wk\"")).await;
    let token = [("token", "t-1")];
    let body = message("u1", "hi");
    for path in [
        "/x/../message/send",
        "/x/%2e%2E/message/send",
        "/x%2f..%2fmessage/send",
        "/./message/send",
        "//message//send/",
        "/message/%73end",
        "/message/send;v=1",
        "/message/%2573end",
        "/Message/Send",
    ] {
        let said = house.ask(("POST", path), &token, &body).await;
        assert_eq!((said.status, said.header("interline-provider")), (404, ""), "{path}: {}", said.text);
        assert!(said.text.contains("does not pass"), "{}", said.text);
    }
    for method in ["TRACE", "CONNECT"] {
        let said = house.ask((method, "/route"), &token, "").await;
        assert_eq!((said.status, said.header("interline-provider")), (404, ""), "{method}: {}", said.text);
    }
    assert_eq!(house.twins.wukongim().total(), 0);
    let passed = house.ask(("GET", "/route?uid=a%20b"), &token, "").await;
    assert_eq!(passed.header("interline-provider"), "wk", "{} {}", passed.status, passed.text);
    house.close().await;
}

#[tokio::test]
async fn a_vendor_neither_gets_nor_sets_the_cookie_of_a_session_here_and_its_pages_run_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let vendor = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = format!(
        "[providers.own]\nvendor = \"wukongim\"\nbase_url = \"http://{}\"\ndialect = \"v2\"\n",
        vendor.local_addr().unwrap()
    );
    let house = House::with_facades(&(wukongim("one", "t-1", "passthrough = \"own\"") + &provider)).await;
    let answering = tokio::spawn(async move {
        let (mut stream, _) = vendor.accept().await.unwrap();
        let mut heard = String::new();
        while !heard.contains("\r\n\r\n") {
            heard.push(char::from(stream.read_u8().await.unwrap()));
        }
        let answer = b"HTTP/1.1 200 OK\r\nset-cookie: interline_session=theirs; Path=/\r\nset-cookie: b=2\r\ncontent-type: text/html\r\ncontent-security-policy: default-src *\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        heard
    });
    let cookies = ("cookie", "a=1; interline_session=ours; c=3");
    let passed = house.ask(("GET", "/route?uid=a"), &[("token", "t-1"), cookies], "").await;
    let heard = answering.await.unwrap();
    assert!(heard.contains("a=1; c=3") && !heard.contains("interline_session"), "{heard}");
    let set: Vec<_> = passed.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set, ["b=2"], "{}", passed.status);
    let policies: Vec<_> = passed.headers.get_all("content-security-policy").iter().collect();
    assert_eq!(policies, ["sandbox"]);
    assert_eq!(passed.header("x-content-type-options"), "nosniff");
    assert_eq!(passed.header("content-type"), "text/html", "what it is for a program stays");
    house.close().await;
}

#[tokio::test]
async fn broadcasts_are_passed_on_for_apps_alone_that_may() {
    let facade = "[[facades]]\nname = \"ne\"\nvendor = \"netease\"\npassthrough = \"ne\"\n";
    let provider = "[providers.ne]\nvendor = \"netease\"\nbase_url = \"http://127.0.0.1:1\"\napp_key = \"k\"\napp_secret = \"s\"\ndefault_sender = \"system\"\n";
    for (app, refused) in [("app = \"slow\"\n", true), ("", false)] {
        let house = House::with_facades(&format!("{facade}{app}{provider}")).await;
        for path in ["/nimserver/msg/broadcastMsg.action", "/msg/broadcastMsg.action"] {
            let said = house.ask(("POST", path), &[], "body=x").await;
            assert_eq!(said.json()["code"] == 403, refused, "{path}: {}", said.text);
        }
        let other = house.ask(("POST", "/nimserver/user/create.action"), &[], "accid=a").await;
        assert_eq!(other.json()["code"], 503, "nobody is there: {}", other.text);
        house.close().await;
    }
}

#[tokio::test]
async fn a_request_that_a_reload_overtakes_goes_by_what_is_in_force() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let house = House::with_facades(&wukongim("one", "t-1", "route = \"rest\"")).await;
    let body = message("u1", "hi");
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST /message/send HTTP/1.1\r\nhost: localhost\r\ntoken: t-1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..10]).await.unwrap();
    // Only once somebody is answered has the other request been read so far.
    assert_eq!(house.send("t-1", "u2", "hi").await.status, 200);
    house.reload("\"rest\"", "\"others\"").await;
    stream.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    house.close().await;
}

/// A server that gives out tokens and knows the second one alone; what it was asked comes out.
async fn forgetful() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut tokens = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            while !text.contains("\r\n\r\n") {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&piece[..read]));
            }
            let body = if text.starts_with("POST /auth/get_admin_token") {
                tokens += 1;
                json!({"errCode": 0, "data": {"token": format!("n{tokens}"), "expireTimeSeconds": 9_000}})
            } else if text.contains("token: n2\r\n") {
                json!({"errCode": 0, "data": {"ok": true}})
            } else {
                json!({"errCode": 1506, "errMsg": "TokenKickedError", "errDlt": ""})
            };
            drop(asked.send(text));
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    (address, heard)
}

#[tokio::test]
async fn what_is_passed_on_under_a_token_that_is_no_good_is_repeated_under_another() {
    let (address, mut heard) = forgetful().await;
    let facades = format!(
        "[[facades]]\nname = \"im\"\nvendor = \"openim\"\npassthrough = \"oim\"\n\
         [providers.oim]\nvendor = \"openim\"\nbase_url = \"http://{address}\"\nsecret = \"s\"\n\
         dialect = \"main\"\ndefault_sender = \"imAdmin\"\n"
    );
    let house = House::with_facades(&facades).await;
    let said = house.ask(("POST", "/user/get_users_info"), &[("operationid", "mine")], "{}").await;
    assert_eq!(said.json()["data"]["ok"], true, "{} {}", said.status, said.text);
    let mut asked = Vec::new();
    while let Ok(text) = heard.try_recv() {
        asked.push(text);
    }
    let passed: Vec<&String> = asked.iter().filter(|text| text.contains("/user/get_users_info")).collect();
    assert_eq!((asked.len(), passed.len()), (4, 2), "{asked:?}");
    assert!(passed.iter().all(|text| text.to_lowercase().contains("operationid: mine\r\n")), "{passed:?}");
    house.close().await;
}

#[tokio::test]
async fn no_header_that_a_caller_is_known_by_is_passed_on() {
    let (address, mut heard) = forgetful().await;
    let facades = format!(
        "[[facades]]\nname = \"k\"\nvendor = \"imkit\"\napi_key = \"k-1\"\npassthrough = \"ik\"\n\
         [providers.ik]\nvendor = \"imkit\"\nbase_url = \"http://{address}\"\napi_key = \"theirs\"\n\
         default_sender = \"system\"\n"
    );
    let house = House::with_facades(&facades).await;
    let keys = [("im-api-key", "k-1"), ("api_key", "another"), ("x-copy", "k-1"), ("x-more", "1")];
    let said = house.ask(("GET", "/groups/7"), &keys, "").await;
    assert_eq!(said.header("interline-provider"), "ik", "{} {}", said.status, said.text);
    let mut asked = String::new();
    while let Ok(text) = heard.try_recv() {
        if text.starts_with("GET /groups/7") {
            asked = text.to_lowercase();
        }
    }
    assert!(asked.contains("im-api-key: theirs\r\n") && asked.contains("x-more: 1\r\n"), "{asked}");
    assert!(!asked.contains("api_key") && !asked.contains("k-1"), "{asked}");
    house.close().await;
}
