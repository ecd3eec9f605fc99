//! WuKongIM's quirks.

use serde_json::{Value, json};

use super::client::{Reply, get, post, request, twin};
use crate::wukongim::joined_for_tests as joined;
use crate::{Twin, TwinsConfig, Vendor};

const HI: &str = "eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ==";

fn message(to: &str) -> Value {
    json!({"from_uid": "alice", "channel_id": to, "channel_type": 1, "client_msg_no": "n1", "payload": HI})
}

fn with(mut message: Value, name: &str, value: Value) -> Value {
    message[name] = value;
    message
}

async fn send(twin: &Twin, message: &Value) -> Reply {
    post(twin, "/message/send", &message.to_string()).await
}

async fn send_batch(twin: &Twin, body: &Value) -> Reply {
    post(twin, "/message/sendbatch", &body.to_string()).await
}

#[tokio::test]
async fn v2_batch_refuses_the_published_array() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let refused = send_batch(&twin, &json!([message("b")])).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["status"], 400);
    assert!(refused.json()["msg"].as_str().unwrap().contains("cannot unmarshal array"));
}

#[tokio::test]
async fn v2_batch_lists_failures_under_status_200() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let body = json!({"from_uid": "a", "subscribers": ["b", "c@d"], "payload": HI, "channel_id": 7});
    let reply = send_batch(&twin, &body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json(), json!({"fail_uids": ["c@d"], "reason": ["频道ID不合法！"]}));
    assert_eq!(twin.received().messages[0].to, "user:b");
    assert_eq!(twin.total(), 1);
}

#[tokio::test]
async fn batch_reaches_persons_only_and_sends_duplicates_twice() {
    let twin = twin(Vendor::WuKongIm, "v1").await;
    let body = json!({"from_uid": "a", "subscribers": ["g1", "g1"], "payload": HI});
    let reply = send_batch(&twin, &body).await;
    assert_eq!(reply.json(), json!({"fail_uids": [], "reason": []}));
    assert!(twin.received().messages.iter().all(|message| message.to == "user:g1"));
    assert_eq!(twin.total(), 2);
}

#[tokio::test]
async fn batch_names_the_first_missing_field() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let whole = json!({"from_uid": "a", "subscribers": ["b"], "payload": HI});
    let blank_sender = send_batch(&twin, &with(whole.clone(), "from_uid", json!(" "))).await;
    assert_eq!(blank_sender.json()["msg"], "from_uid不能为空！");
    let nobody = send_batch(&twin, &with(whole.clone(), "subscribers", json!([]))).await;
    assert_eq!(nobody.json()["msg"], "subscribers不能为空！");
    let nothing = send_batch(&twin, &with(whole, "payload", json!(""))).await;
    assert_eq!(nothing.json()["msg"], "payload不能为空！");
    assert_eq!((twin.total(), twin.calls()), (0, 3));
}

#[tokio::test]
async fn v2_send_wraps_a_numeric_id_and_gives_no_sequence() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let reply = send(&twin, &message("b")).await.json();
    assert_eq!(reply["status"], 200);
    assert!(reply["data"]["message_id"].as_i64().unwrap() > 1 << 53);
    assert_eq!(reply["data"]["client_msg_no"], "n1");
    assert!(reply["data"].get("message_seq").is_none());
}

#[tokio::test]
async fn v1_send_gives_a_sequence() {
    let twin = twin(Vendor::WuKongIm, "v1").await;
    assert_eq!(send(&twin, &message("b")).await.json()["data"]["message_seq"], 1);
    assert_eq!(send(&twin, &message("b")).await.json()["data"]["message_seq"], 2);
}

#[tokio::test]
async fn v2_repeat_is_a_second_message() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let first = send(&twin, &message("b")).await.json();
    let second = send(&twin, &message("b")).await.json();
    assert_ne!(first["data"]["message_id"], second["data"]["message_id"]);
    assert_eq!(twin.total(), 2);
}

#[tokio::test]
async fn header_flags_are_integers() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let refused = send(&twin, &with(message("b"), "header", json!({"red_dot": true}))).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["msg"].as_str().unwrap().contains("cannot unmarshal bool"));
    let taken = send(&twin, &with(message("b"), "header", json!({"red_dot": 1}))).await;
    assert_eq!(taken.status, 200);
}

#[tokio::test]
async fn payload_is_standard_base64() {
    let twin = twin(Vendor::WuKongIm, "").await;
    for bad in ["hello", "_-8=", "aGk"] {
        let refused = send(&twin, &with(message("b"), "payload", json!(bad))).await;
        assert_eq!(refused.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn illegal_characters_are_refused_in_the_target() {
    let twin = twin(Vendor::WuKongIm, "").await;
    for bad in ["a@b", "a#b", "a&b"] {
        assert_eq!(send(&twin, &message(bad)).await.json()["msg"], "频道ID不合法！");
    }
}

#[tokio::test]
async fn a_channel_type_of_zero_is_stored_and_300_is_refused() {
    let twin = twin(Vendor::WuKongIm, "").await;
    for zero in [json!(0), Value::Null] {
        assert_eq!(send(&twin, &with(message("b"), "channel_type", zero)).await.status, 200);
    }
    assert_eq!(send(&twin, &with(message("b"), "channel_type", json!(300))).await.status, 400);
    assert_eq!((twin.total(), &*twin.received().messages[0].to), (2, "channel:0:b"));
    let sync = json!({"login_uid": "c", "channel_id": "b", "channel_type": 0, "limit": 9});
    let stored = post(&twin, "/channel/messagesync", &sync.to_string()).await.json();
    assert_eq!(stored["messages"][1]["message_seq"], 2);
}

#[tokio::test]
async fn a_lookup_by_number_names_what_it_misses_and_refuses_type_zero() {
    let twin = twin(Vendor::WuKongIm, "").await;
    send(&twin, &with(message("b"), "channel_type", json!(0))).await;
    let cases = [
        ("channel_type=2&client_msg_no=n1", "channel_id不能为空"),
        ("channel_id=b&channel_type=2", "client_msg_no不能为空"),
        ("channel_id=b&client_msg_no=n1", "channel_type不能为0"),
        ("channel_id=b&channel_type=0&client_msg_no=n1", "channel_type不能为0"),
    ];
    for (query, why) in cases {
        let refused = get(&twin, &format!("/message/byclientmsgno?{query}")).await;
        assert_eq!((refused.status, refused.json()), (400, json!({"msg": why, "status": 400})), "{query}");
    }
}

#[tokio::test]
async fn a_channel_never_used_is_404_under_status_200() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let path = "/message/byclientmsgno?channel_id=never&channel_type=2&client_msg_no=n1";
    let absent = get(&twin, path).await;
    assert_eq!((absent.status, absent.json()), (200, json!({"status": 404})));
}

#[tokio::test]
async fn a_body_that_does_not_bind_is_answered_with_json_labelled_as_text() {
    let twin = twin(Vendor::WuKongIm, "").await;
    for path in ["/message/send", "/message/sendbatch"] {
        for body in ["[]", "{", r#"{"from_uid":1}"#, r#"{"payload":"_-8="}"#] {
            let refused = post(&twin, path, body).await;
            assert_eq!((refused.status, &refused.json()["status"]), (400, &json!(400)), "{path} {body}");
            assert_eq!(refused.headers["content-type"], "text/plain; charset=utf-8", "{path} {body}");
        }
    }
    let ruled = post(&twin, "/message/sendbatch", r#"{"from_uid":" "}"#).await;
    assert_eq!(ruled.headers["content-type"], "application/json; charset=utf-8");
}

#[tokio::test]
async fn commands_are_found_in_the_shadow_channel_only() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let command = with(message("bob"), "header", json!({"sync_once": 1, "red_dot": 1}));
    let sent = send(&twin, &command).await.json();
    let lookup = async |channel: &str| {
        let query = format!("channel_id={channel}&channel_type=1&client_msg_no=n1");
        get(&twin, &format!("/message/byclientmsgno?{query}")).await.json()
    };
    let channel = joined("alice", "bob");
    assert_eq!(lookup(&channel).await, json!({"status": 404}));
    let found = lookup(&format!("{channel}____cmd")).await;
    assert_eq!(found["message_id"], sent["data"]["message_id"]);
    assert_eq!(found["header"], json!({"no_persist": 0, "red_dot": 0, "sync_once": 0}));
}

#[tokio::test]
async fn reads_show_the_first_header_as_zeros() {
    let twin = twin(Vendor::WuKongIm, "").await;
    for number in ["n1", "n2"] {
        let dotted = with(message("bob"), "header", json!({"red_dot": 1}));
        send(&twin, &with(dotted, "client_msg_no", json!(number))).await;
    }
    let sync = json!({"login_uid": "bob", "channel_id": "alice", "channel_type": 1, "limit": 9});
    let shown = post(&twin, "/channel/messagesync", &sync.to_string()).await.json();
    let dots = [0, 1].map(|row| shown["messages"][row]["header"]["red_dot"].clone());
    assert_eq!(dots, [json!(0), json!(1)]);
    let channel = joined("alice", "bob");
    let path = format!("/message/byclientmsgno?channel_id={channel}&channel_type=1&client_msg_no=n2");
    assert_eq!(get(&twin, &path).await.json()["header"]["red_dot"], 0);
}

#[tokio::test]
async fn subscribers_on_a_single_send_are_for_commands_only() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let body = json!({"from_uid": "a", "subscribers": ["b", "c"], "payload": HI});
    assert_eq!(send(&twin, &body).await.json()["msg"], "无法处理发送消息请求！");
    let command = with(body, "header", json!({"sync_once": 1}));
    assert_eq!(send(&twin, &command).await.json(), json!({"status": 200}));
    assert_eq!(twin.total(), 2);
    assert_eq!(send(&twin, &with(command, "channel_id", json!("g"))).await.status, 400);
}

#[tokio::test]
async fn published_array_answers_each_message_by_its_number() {
    let twin = twin(Vendor::WuKongIm, "published").await;
    let group = json!({"from_uid": "system", "channel_id": "group123", "channel_type": 2,
        "client_msg_no": "batch_msg_1", "payload": "SGVsbG8gR3JvdXAgMQ==", "tag_key": "notification"});
    let reply = send_batch(&twin, &json!([group, message("b")])).await.json();
    assert_eq!(reply[0]["client_msg_no"], "batch_msg_1");
    assert_eq!(reply[0]["message_seq"], 1);
    assert_eq!(reply[1]["client_msg_no"], "n1");
    assert!(reply[1]["message_id"].is_i64());
    let received = twin.received();
    assert_eq!((&*received.messages[0].to, &*received.messages[0].text), ("group:group123", "Hello Group 1"));
    assert_eq!(received.messages[1].call, 1);
}

#[tokio::test]
async fn published_array_is_refused_as_a_whole() {
    let twin = twin(Vendor::WuKongIm, "published").await;
    let no_type = with(message("b"), "channel_type", json!(0));
    assert_eq!(send_batch(&twin, &json!([message("b"), no_type])).await.status, 400);
    let banned = with(message("b"), "from_uid", json!("banned-1"));
    assert_eq!(send_batch(&twin, &json!([message("b"), banned])).await.status, 403);
    assert_eq!(send_batch(&twin, &json!({"from_uid": "a"})).await.status, 400);
    assert_eq!(twin.total(), 0);
}

#[tokio::test]
async fn published_send_answers_flat() {
    let twin = twin(Vendor::WuKongIm, "published").await;
    let reply = send(&twin, &message("b")).await.json();
    assert_eq!(reply["message_seq"], 1);
    assert_eq!(reply["client_msg_no"], "n1");
}

#[tokio::test]
async fn v3_has_no_batch() {
    let twin = twin(Vendor::WuKongIm, "v3").await;
    let body = json!({"from_uid": "a", "subscribers": ["b"], "payload": HI});
    let refused = send_batch(&twin, &body).await;
    assert_eq!((refused.status, refused.text()), (404, "404 page not found"));
}

#[tokio::test]
async fn v3_answers_a_repeat_with_the_ids_of_the_first() {
    let twin = twin(Vendor::WuKongIm, "v3").await;
    let first = send(&twin, &message("b")).await.json();
    assert_eq!(first["reason"], 1);
    assert_eq!(send(&twin, &message("b")).await.json(), first);
    assert_eq!(twin.total(), 1);
    let other = send(&twin, &with(message("b"), "payload", json!("eyJ0eXBlIjoxfQ=="))).await.json();
    assert_ne!(other["message_id"], first["message_id"]);
}

#[tokio::test]
async fn v3_rejects_with_a_reason_under_status_200() {
    let twin = twin(Vendor::WuKongIm, "v3").await;
    let ghost = with(message("ghost-g"), "channel_type", json!(2));
    let reply = send(&twin, &ghost).await;
    assert_eq!((reply.status, &reply.json()["reason"]), (200, &json!(5)));
    assert_eq!(send(&twin, &message("blocked-b")).await.json()["reason"], 4);
    assert_eq!(twin.total(), 0);
}

#[tokio::test]
async fn v3_wants_a_sender_and_says_error() {
    let twin = twin(Vendor::WuKongIm, "v3").await;
    let refused = send(&twin, &with(message("b"), "from_uid", json!(""))).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].is_string());
    let alias = with(with(message("b"), "from_uid", json!("")), "sender_uid", json!("a"));
    assert_eq!(send(&twin, &alias).await.json()["reason"], 1);
}

#[tokio::test]
async fn versions_are_told_apart_by_their_probes() {
    let routes = ["/health", "/varz", "/healthz", "/readyz"];
    let known = [
        ("v1", [404, 200, 404, 404]),
        ("v2", [200, 200, 404, 404]),
        ("v3", [404, 404, 200, 200]),
        ("published", [200, 404, 404, 404]),
    ];
    for (dialect, expected) in known {
        let twin = twin(Vendor::WuKongIm, dialect).await;
        for (route, status) in routes.iter().zip(expected) {
            assert_eq!(get(&twin, route).await.status, status, "{dialect} {route}");
        }
    }
}

#[tokio::test]
async fn a_wrong_token_gets_an_empty_401_even_on_health() {
    let config = TwinsConfig { wukongim_token: Some("secret".into()), ..TwinsConfig::ephemeral() };
    let twin = Twin::start_with(&config, Vendor::WuKongIm, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let refused = get(&twin, "/health").await;
    assert_eq!((refused.status, refused.body.len()), (401, 0));
    assert_eq!(request(&twin, "GET /health", "token: secret\r\n", "").await.status, 200);
}

#[tokio::test]
async fn lookup_by_number_wants_the_joined_channel() {
    let twin = twin(Vendor::WuKongIm, "").await;
    let sent = send(&twin, &message("bob")).await.json();
    let naive = get(&twin, "/message/byclientmsgno?channel_id=bob&channel_type=1&client_msg_no=n1").await;
    assert_eq!((naive.status, naive.json()), (200, json!({"status": 404})));
    let channel = joined("alice", "bob");
    let path = format!("/message/byclientmsgno?channel_id={channel}&channel_type=1&client_msg_no=n1");
    let found = get(&twin, &path).await.json();
    assert_eq!(found["message_id"], sent["data"]["message_id"]);
    assert_eq!(found["message_idstr"], sent["data"]["message_id"].to_string());
    assert_eq!(found["payload"], HI);
}

#[tokio::test]
async fn channel_sync_without_a_limit_is_empty() {
    let twin = twin(Vendor::WuKongIm, "").await;
    for _ in 0..3 {
        send(&twin, &message("bob")).await;
    }
    let sync = json!({"login_uid": "bob", "channel_id": "alice", "channel_type": 1});
    let none = post(&twin, "/channel/messagesync", &sync.to_string()).await.json();
    assert_eq!(none["messages"], json!([]));
    let limited = with(sync, "limit", json!(2)).to_string();
    let two = post(&twin, "/channel/messagesync", &limited).await.json();
    assert_eq!((two["messages"][0]["message_seq"].clone(), two["more"].clone()), (json!(2), json!(1)));
    assert_eq!(two["messages"][1]["message_seq"], 3);
}

#[tokio::test]
async fn commands_and_unstored_messages_are_not_in_the_channel() {
    let twin = twin(Vendor::WuKongIm, "v1").await;
    let command = send(&twin, &with(message("bob"), "header", json!({"sync_once": 1}))).await;
    assert_eq!(command.status, 200);
    let fleeting = send(&twin, &with(message("bob"), "header", json!({"no_persist": 1}))).await.json();
    assert_eq!(fleeting["data"]["message_seq"], 0);
    let sync = json!({"login_uid": "bob", "channel_id": "alice", "channel_type": 1, "limit": 10});
    let shown = post(&twin, "/channel/messagesync", &sync.to_string()).await.json();
    assert_eq!(shown["messages"], json!([]));
    assert_eq!(twin.total(), 2);
}
