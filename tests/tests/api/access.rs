//! Who may do what: keys, rates, and web pages of others.

use super::*;

/// The lines of a new app, and its key.
fn app(place: &Place, name: &str, may: &str, more: &str) -> (String, String) {
    let ran = place.run(&["--json", "keys", "new", name]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let new: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
    let sha256 = new["key_sha256"].as_str().or(new["sha256"].as_str()).expect("a hash");
    let lines = format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{sha256}\"\nmay = {may}\n{more}\n");
    (lines, new["key"].as_str().expect("a key").to_owned())
}

#[test]
fn keys_decide_who_may_do_what() {
    let stage = stage();
    let makes = Place::empty();
    let (shop, shop_key) = app(&makes, "shop", "[\"send\", \"read\"]", "");
    let (desk, desk_key) = app(&makes, "desk", "[\"read\"]", "");
    let (root, root_key) = app(&makes, "root", "[\"send\", \"read\", \"admin\"]", "");
    let place = Place::with("auth = \"keys\"", &format!("{shop}{desk}{root}{}", config::four(&stage)));
    let server = place.serve();

    let nobody = server.post("/v1/send", &batch_of(1));
    problem(&nobody, 401, "unauthorized");
    assert!(nobody.header("www-authenticate").is_some());
    problem(&server.key("il_00000000_wrong").get("/v1/batches"), 401, "unauthorized");
    problem(&server.key(&desk_key).post("/v1/send", &batch_of(1)), 403, "forbidden");
    problem(&server.key(&shop_key).get("/v1/config"), 403, "forbidden");
    for order in ["start", "set", "rollback", "finish"] {
        let path = format!("/v1/migrations/any/{order}");
        problem(&server.key(&shop_key).post(&path, &json!({})), 403, "forbidden");
    }
    assert_eq!(server.key(&desk_key).get("/v1/migrations").of(200), json!({"migrations": []}));
    assert_eq!(stage.calls(), 0);

    let id = id_of(&server.key(&shop_key).post("/v1/send", &batch_of(1)).of(200));
    let path = format!("/v1/batches/{id}");
    eventually("it is recorded", SECONDS, || (server.key(&shop_key).get(&path).status == 200).then_some(()));
    problem(&server.key(&desk_key).get(&path), 404, "not_found");
    assert_eq!(server.key(&desk_key).get("/v1/messages?to=user:u0").of(200)["messages"], json!([]));
    assert_eq!(server.key(&root_key).get(&path).status, 200);
    problem(&server.key(&desk_key).get("/v1/batches?app=shop"), 403, "forbidden");
    let everyone = json!({"messages": [text("a", "everyone")]});
    problem(&server.key(&shop_key).post("/v1/send", &everyone), 403, "forbidden");
    assert_eq!((server.get("/livez").status, server.get("/metrics").status), (200, 200));
}

#[test]
fn an_app_over_its_rate_is_told_when_to_come_back() {
    let stage = stage();
    let (shop, key) = app(&Place::empty(), "shop", "[\"send\"]", "messages_per_second = 10");
    let place = Place::with("auth = \"keys\"", &format!("{shop}{}", config::four(&stage)));
    let server = place.serve();
    server.key(&key).post("/v1/send", &batch_of(50)).of(200);
    let refused = server.key(&key).post("/v1/send", &batch_of(1));
    problem(&refused, 429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(stage.total(), 50);
}

#[test]
fn without_keys_a_web_page_of_somebody_else_is_not_answered() {
    let stage = stage();
    let (_place, server) = open(&stage);
    let foreign = server.with("origin", "https://page.example").post("/v1/send", &batch_of(1));
    problem(&foreign, 403, "forbidden");
    assert_eq!(stage.calls(), 0);
}
