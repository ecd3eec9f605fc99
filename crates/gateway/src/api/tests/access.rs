//! Who may see and do what, and how much of it.

use super::*;

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
        assert_eq!(house.ask(("GET", &path), &[who], "").await.status, status);
        assert_eq!(house.ask(("GET", &format!("{path}/messages")), &[who], "").await.status, status);
        let seen = usize::from(status == 200);
        let list = house.ask(("GET", "/v1/batches"), &[who], "").await.json();
        assert_eq!(list["batches"].as_array().unwrap().len(), seen);
        let found = house.ask(("GET", "/v1/messages?to=room:1"), &[who], "").await.json();
        assert_eq!(found["messages"].as_array().unwrap().len(), seen);
    }
    house.ask(("GET", "/v1/batches?app=shop"), &[news], "").await.problem(403, "forbidden");
    house.ask(("GET", "/v1/config"), &[shop], "").await.problem(403, "forbidden");
    assert_eq!(house.ask(("GET", "/v1/config"), &[boss], "").await.status, 200);
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
    let report = async |who: &str| house.ask(("GET", &path("report")), &[("authorization", who)], "").await;
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
        house.ask(("POST", "/v1/batches"), &headers, &lines).await
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
        let answer = house.ask(("POST", path), &[("authorization", who)], "{}").await;
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
