//! Sending: direct sends, batches, uploads, keys of idempotency, plans, and what is refused.

use super::*;

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
    let lines = house.ask(("GET", &path), &[("accept", "application/x-ndjson")], "").await;
    assert_eq!((lines.header("content-type"), lines.text.lines().count()), ("application/x-ndjson", 5));
    let csv = house.ask(("GET", &format!("{path}?status=accepted")), &[("accept", "text/csv")], "").await;
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
    let answer =
        house.ask(("POST", "/v1/batches"), &[NDJSON], &format!("{head}\n{}", lines.join("\n"))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["counts"]["total"], 300);

    let bad =
        house.ask(("POST", "/v1/batches"), &[NDJSON], &format!("{head}\n{{\"to\":\"nobody\"}}\n")).await;
    let problem = bad.problem(400, "invalid_body");
    assert!(problem["errors"][0]["path"].as_str().unwrap().starts_with("line 2"), "{problem}");

    let long = format!("{head}\n{{\"to\":\"room:1\",\"id\":\"{}\"}}\n", "x".repeat(300 * 1024));
    let problem = house.ask(("POST", "/v1/batches"), &[NDJSON], &long).await.problem(413, "too_large");
    assert!(problem["detail"].as_str().unwrap().contains("max_line_kb = 256"), "{problem}");
    let empty = house.ask(("POST", "/v1/batches"), &[NDJSON], "").await;
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
        house.ask(("POST", "/v1/send"), &[], body).await.problem(400, "invalid_body");
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
async fn a_body_over_the_limit_is_refused_with_both_limits() {
    let house = House::with(&[("MAX_BODY_MB", "1")], "").await;
    let body = format!("{{\"messages\":[],\"trace_id\":\"{}\"}}", "x".repeat(1 << 20));
    let problem = house.ask(("POST", "/v1/send"), &[], &body).await.problem(413, "too_large");
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
