//! A server whose apps are told what became of their batches.

use interline_tests::{Client, Place, Server, Stage, config, eventually};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

use crate::SOON;

/// An app with a key: its lines and the key.
pub(crate) fn app(name: &str, may: &str, secrets: &[&str]) -> (String, String) {
    let ran = Place::empty().run(&["--json", "keys", "new", name]);
    let new: Value = serde_json::from_str(&ran.out).expect("a key as JSON");
    let hash = new["key_sha256"].as_str().or(new["sha256"].as_str()).expect("a hash");
    let secrets =
        if secrets.is_empty() { String::new() } else { format!("callback_secrets = {secrets:?}\n") };
    let lines = format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{hash}\"\nmay = {may}\n{secrets}");
    (lines, new["key"].as_str().expect("a key").to_owned())
}

/// A server with an app `shop`, and its key.
pub(crate) struct Set {
    pub(crate) stage: Stage,
    pub(crate) place: Place,
    pub(crate) key: String,
}

impl Set {
    pub(crate) fn new(callbacks: &str, secrets: &[&str]) -> Self {
        Self::with(callbacks, secrets, "")
    }

    pub(crate) fn with(callbacks: &str, secrets: &[&str], more: &str) -> Self {
        let twins = TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited();
        let stage = Stage::start(twins);
        let (lines, key) = app("shop", "[\"send\", \"read\"]", secrets);
        let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
        let route = config::route("all", "", "wk");
        let text = format!("{lines}{more}[callbacks]\n{callbacks}{provider}{route}");
        let place = Place::with("", &text);
        Self { stage, place, key }
    }

    pub(crate) fn serve(&self) -> (Server, Client) {
        let server = self.place.try_serve(&[("INTERLINE_LOG", "debug")]).expect("it starts");
        let client = server.client().key(&self.key);
        (server, client)
    }

    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.place.path("config.toml")).expect("the configuration");
        assert!(text.contains(from), "{from}");
        self.place.write("config.toml", text.replace(from, to).as_bytes());
    }
}

pub(crate) fn batch(url: &str, each: bool, messages: usize) -> Value {
    let messages: Vec<Value> = (0..messages).map(|n| json!({"to": format!("user:u{n}")})).collect();
    json!({
        "callback": {"url": url, "each": each},
        "content": {"type": "text", "text": "canary of a content"}, "messages": messages,
    })
}

#[track_caller]
pub(crate) fn accepted(client: &Client, body: &Value) -> String {
    client.post("/v1/batches", body).of(202)["id"].as_str().expect("an id").to_owned()
}

/// The only receiver that this client sees, as soon as it is as asked for.
#[track_caller]
pub(crate) fn receiver(client: &Client, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(what, SOON, || {
        let all = client.get("/v1/callbacks").of(200);
        let found = all["callbacks"][0].clone();
        assert!(all["callbacks"].as_array().expect("a list").len() <= 1, "{all}");
        is(&found).then_some(found)
    })
}
