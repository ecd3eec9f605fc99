//! Whatever the bytes of a request are, a twin answers: a panic would cut the connection instead.
//!
//! Requests that work are spoiled at random places, because pure noise gets no further than the
//! first bracket. The seed is fixed, so that a failure comes back.

use super::client::{Line, form, signed, twin};
use crate::clock::Dice;
use crate::{Twin, TwinsConfig, Vendor};

/// Bytes that parsers trip over.
const SPICES: [&[u8]; 26] = [
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"99999999999999999999",
    b"-9223372036854775808",
    b"{}",
    b"[]",
    b"[[[[",
    b"}",
    b"\"",
    b"\\",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"%",
    b"%ZZ",
    b"%E5%AD",
    b"&",
    b"=",
    b"@",
    "字👋".as_bytes(),
    b"$x$",
];

/// `key` is base64 of `{"sendID":"u1","recvID":"bot","groupID":""}`.
const SIMPLE: &str =
    "POST /msg/send_simple_msg?key=eyJzZW5kSUQiOiJ1MSIsInJlY3ZJRCI6ImJvdCIsImdyb3VwSUQiOiIifQ%3D%3D";

/// A request that works: method and path, headers, body.
struct Recipe(&'static str, String, String);

fn pick<'a, T>(dice: &Dice, from: &'a [T]) -> &'a T {
    &from[below(dice, from.len())]
}

fn below(dice: &Dice, end: usize) -> usize {
    usize::try_from(dice.next() % end as u64).unwrap()
}

fn noise(dice: &Dice) -> Vec<u8> {
    (0..below(dice, 64)).map(|_| dice.next().to_le_bytes()[3]).collect()
}

/// Spoils a text in up to four places.
fn spoil(dice: &Dice, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=below(dice, 4) {
        let at = below(dice, bytes.len() + 1);
        let end = (at + below(dice, 12)).min(bytes.len());
        match below(dice, 6) {
            0 => drop(bytes.splice(at..end, noise(dice))),
            1 => drop(bytes.splice(at..end, pick(dice, &SPICES).iter().copied())),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at..end].repeat(1 + below(dice, 400));
                bytes.splice(at..at, again);
            }
            _ => spoil_value(dice, &mut bytes),
        }
    }
    bytes
}

/// Puts something else where a value begins: what most often gets past the parser.
fn spoil_value(dice: &Dice, bytes: &mut Vec<u8>) {
    let starts: Vec<usize> =
        (0..bytes.len()).filter(|at| matches!(bytes[*at], b':' | b'=' | b',' | b'[')).collect();
    if starts.is_empty() {
        return;
    }
    let start = pick(dice, &starts) + 1;
    let length = bytes[start..].iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b'&'));
    let end = length.map_or(bytes.len(), |length| start + length);
    bytes.splice(start..end, pick(dice, &SPICES).iter().copied());
}

/// Sends every recipe whole and then spoiled many times; each request must get an answer.
async fn survives(twin: &Twin, recipes: &[Recipe]) {
    let dice = Dice::seeded(0x50_0b);
    let mut line = Line::open(twin).await.unwrap();
    for Recipe(target, headers, body) in recipes {
        for round in 0..120 {
            let spoiled = match round {
                0 => body.clone().into_bytes(),
                1..15 => noise(&dice),
                _ => spoil(&dice, body),
            };
            let query = form_urlencoded::byte_serialize(&noise(&dice)).collect::<String>();
            let mut target = (*target).to_owned();
            if round > 60 {
                let place = if target.contains('?') { below(&dice, 2) } else { 0 };
                let joint = ["?channel_type=", "%00"][place];
                target = format!("{target}{joint}{query}");
            }
            line.write(&target, headers, &spoiled).await;
            let shown = String::from_utf8_lossy(&spoiled);
            assert!(line.read().await.is_some(), "no answer to {target}: {shown}");
        }
    }
    assert!(twin.total() > 0, "no recipe got through");
}

fn json(target: &'static str, body: &str) -> Recipe {
    Recipe(target, "operationID: o\r\nIM-API-KEY: twin-imkit-key\r\n".into(), body.into())
}

fn control() -> [Recipe; 4] {
    [
        json("POST /_twin/dialect", r#"{"dialect":"none"}"#),
        json("POST /_twin/faults", r#"[{"kind":"none","count":1,"probability":0.5}]"#),
        json("GET /_twin/received?summary=1", ""),
        json("PUT /nowhere", "{}"),
    ]
}

#[tokio::test]
async fn no_soup_stops_wukongim() {
    let single = r#"{"header":{"no_persist":0,"red_dot":1,"sync_once":1},"client_msg_no":"n","from_uid":"a",
        "channel_id":"b","channel_type":1,"expire":9,"payload":"eyJ0eXBlIjoxLCJjb250ZW50IjoiaGkifQ=="}"#;
    let batch = r#"{"header":{},"from_uid":"a","subscribers":["b","字"],"payload":"aGk="}"#;
    let sync = r#"{"login_uid":"a","channel_id":"b","channel_type":1,"start_message_seq":1,
        "end_message_seq":9,"limit":3,"pull_mode":1}"#;
    for dialect in Vendor::WuKongIm.dialects() {
        let twin = twin(Vendor::WuKongIm, dialect).await;
        let array = format!("[{single},{single}]");
        let mut recipes = vec![
            json("POST /message/send", single),
            json("POST /message/sendbatch", batch),
            json("POST /message/sendbatch", &array),
            json("POST /channel/messagesync", sync),
            json("GET /message/byclientmsgno?channel_id=a%40b&channel_type=1&client_msg_no=n", ""),
        ];
        recipes.extend(control());
        survives(&twin, &recipes).await;
    }
}

#[tokio::test]
async fn no_soup_stops_openim() {
    let message = r#"{"sendID":"a","recvID":"b","recvIDs":["b","c"],"groupID":"","senderNickname":"n",
        "senderPlatformID":1,"content":{"content":"hi","text":"hi"},"contentType":101,"sessionType":1,
        "isOnlineOnly":false,"notOfflinePush":true,"sendTime":1,"isSendAll":false,"ex":"x",
        "offlinePushInfo":{"title":"t","desc":"d","ex":"","iOSPushSound":"s","iOSBadgeCount":true}}"#;
    for dialect in Vendor::OpenIm.dialects() {
        let twin = twin(Vendor::OpenIm, dialect).await;
        let mut line = Line::open(&twin).await.unwrap();
        let admin = if *dialect == "published" { "openIMAdmin" } else { "imAdmin" };
        let asked = format!(r#"{{"secret":"openIM123","userID":"{admin}","platformID":1}}"#);
        line.write("POST /auth/get_admin_token", "operationID: o\r\n", asked.as_bytes()).await;
        let token = line.read().await.unwrap().json()["data"]["token"].as_str().unwrap().to_owned();
        let with_token = |target, body: &str| {
            Recipe(target, format!("operationID: o\r\ntoken: {token}\r\n"), body.to_owned())
        };
        let note = r#"{"sendUserID":"imAdmin","recvUserID":"b","key":"k","data":"{}","sendMsg":true}"#;
        let mut recipes = vec![
            with_token("POST /msg/send_msg", message),
            with_token("POST /msg/batch_send_msg", message),
            with_token("POST /msg/send_business_notification", note),
            with_token(SIMPLE, r#"{"content":"hi"}"#),
            with_token("POST /msg/check_msg_is_send_success", r#"{"clientMsgID":"x"}"#),
            with_token("POST /auth/get_user_token", r#"{"userID":"b","platformID":2}"#),
            with_token("POST /user/user_register", r#"{"users":[{"userID":"b","nickname":"n"}]}"#),
            with_token("POST /user/account_check", r#"{"checkUserIDs":["a","b"]}"#),
            json("POST /auth/get_admin_token", &asked),
        ];
        recipes.extend(control());
        survives(&twin, &recipes).await;
    }
}

#[tokio::test]
async fn no_soup_stops_imkit() {
    let twin = twin(Vendor::ImKit, "").await;
    let batch = r#"{"sender":"s","receivers":["a","b"],"room":"r","message":"hi $name$","messageType":"text",
        "extra":{"x":"$name$"},"paras":[{"receiver":"a","$name$":"字"},{"room":"r","$name$":"$name$"}]}"#;
    let mut recipes = vec![json("POST /messages/batch", batch), json("POST /messages", batch)];
    recipes.extend(control());
    survives(&twin, &recipes).await;
}

#[tokio::test]
async fn no_soup_stops_netease() {
    let config = TwinsConfig::ephemeral().unlimited();
    let twin = Twin::start_with(&config, Vendor::NetEase, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let list =
        r#"[{"msgId":"m1","msgType":0,"attach":"hi","ext":"{}","subType":1,"resendFlag":1,"locX":1.5}]"#;
    let room = form(&[
        ("roomid", "72"),
        ("fromAccid", "a"),
        ("toAccids", r#"["b"]"#),
        ("abandonRatio", "5000"),
        ("highPriority", "true"),
        ("msgId", "m2"),
        ("msgType", "0"),
        ("attach", "hi"),
        ("antispam", "true"),
        ("antispamCustom", "{}"),
    ]) + "&msgList="
        + list;
    let user = form(&[
        ("from", "a"),
        ("fromAccid", "a"),
        ("ope", "0"),
        ("to", "b"),
        ("toAccids", r#"["b"]"#),
        ("type", "0"),
        ("returnMsgid", "true"),
        ("option", r#"{"push":false}"#),
    ]) + r#"&ttl=168&targetOs=["ios"]&body={"msg":"hi"}"#;
    let sent = |target, body: &str| Recipe(target, signed(0), body.to_owned());
    let mut recipes = vec![
        sent("POST /nimserver/chatroom/batchSendMsg.action", &room),
        sent("POST /chatroom/sendMsg.action", &room),
        sent("POST /chatroom/batchSendMsgToSomeone.action", &room),
        sent("POST /chatroom/sendMsgToSomeone.action", &room.replace("72", "73")),
        sent("POST /msg/sendMsg.action", &user),
        sent("POST /msg/sendBatchMsg.action", &user),
        sent("POST /msg/broadcastMsg.action", &user),
        sent("POST /user/create.action", "accid=a&name=n"),
        Recipe("POST /msg/sendMsg.action", "CurTime: 99999999999999999999\r\n".into(), user.clone()),
    ];
    recipes.extend(control());
    survives(&twin, &recipes).await;
}
