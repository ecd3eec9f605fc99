//! Each content type as the canonical content, what of it is kept for this vendor alone, and what the
//! server would refuse.

use serde_json::{Value, json};

use super::{SEND, error, post, single, with, without};

fn body(content_type: i64, content: Value) -> Value {
    with(with(single(), "contentType", json!(content_type)), "content", content)
}

fn to_group(body: Value) -> Value {
    without(with(with(body, "sessionType", json!(3)), "groupID", json!("g1")), "recvID")
}

/// The canonical content and the vendor's own part.
fn read(body: &Value) -> (Value, Value) {
    let mut batch = post(SEND, body).batch();
    (batch["content"].take(), batch["extensions"]["openim"].take())
}

/// Kept as it is, beside the canonical content.
fn kept(content_type: i64, content: &Value) -> Value {
    json!({"contentType": content_type, "content": content})
}

fn base(url: &str) -> Value {
    json!({"type": "image/png", "size": 9, "width": 4, "height": 3, "url": url})
}

#[test]
fn texts_markdown_and_custom_data_need_nothing_of_their_own() {
    let plain = [
        (101, json!({"content": "a $b$ <&>"}), json!({"type": "text", "text": "a $b$ <&>"})),
        (118, json!({"content": "*a*"}), json!({"type": "markdown", "text": "*a*"})),
        (
            110,
            json!({"data": "{\"n\":1}", "description": "gift", "extension": ""}),
            json!({"type": "custom", "data": {"n": 1}, "kind": "gift"}),
        ),
        (
            110,
            json!({"data": "words", "description": "", "extension": ""}),
            json!({"type": "custom", "data": "words"}),
        ),
    ];
    for (content_type, content, wanted) in plain {
        assert_eq!(read(&body(content_type, content)), (wanted, Value::Null));
    }
}

#[test]
fn media_are_read_from_what_the_server_demands() {
    let sound = json!({"sourceUrl": "http://x/a.amr", "duration": 3, "dataSize": 7, "soundType": "amr"});
    let audio =
        json!({"type": "audio", "url": "http://x/a.amr", "duration_ms": 3_000, "size": 7, "format": "amr"});
    assert_eq!(read(&body(103, sound)), (audio, Value::Null));
    let film = json!({"videoUrl": "http://x/v", "videoType": "video/mp4", "videoSize": 7, "duration": 61,
        "snapshotUrl": "http://x/t.png", "snapshotWidth": 3, "snapshotHeight": 4});
    let video = json!({"type": "video", "url": "http://x/v", "thumbnail_url": "http://x/t.png", "duration_ms": 61_000,
        "size": 7, "width": 3, "height": 4, "format": "mp4"});
    assert_eq!(read(&body(104, film)), (video, Value::Null));
    let attachment =
        json!({"sourceUrl": "http://x/a", "fileName": "a.pdf", "fileSize": 5, "fileType": "application/pdf"});
    let file =
        json!({"type": "file", "url": "http://x/a", "name": "a.pdf", "size": 5, "mime": "application/pdf"});
    assert_eq!(read(&body(105, attachment)), (file, Value::Null));
}

#[test]
fn a_picture_is_its_source_and_its_small_variant() {
    let one = json!({"sourcePicture": base("u"), "bigPicture": base("u"), "snapshotPicture": base("u")});
    let image = json!({"type": "image", "url": "u", "width": 4, "height": 3, "size": 9, "format": "png"});
    assert_eq!(read(&body(102, one)), (image.clone(), Value::Null));
    let three =
        json!({"sourcePicture": base("u"), "bigPicture": base("big"), "snapshotPicture": base("small")});
    assert_eq!(
        read(&body(102, three.clone())),
        (with(image, "thumbnail_url", json!("small")), kept(102, &three))
    );
}

#[test]
fn what_only_this_vendor_can_carry_is_kept_for_it() {
    let text = json!({"content": "hi", "mine": 1});
    assert_eq!(read(&body(101, text.clone())), (json!({"type": "text", "text": "hi"}), kept(101, &text)));
    let spaced = json!({"data": "{ \"b\": 1, \"a\": 2 }", "description": "", "extension": ""});
    assert_eq!(
        read(&body(110, spaced.clone())),
        (json!({"type": "custom", "data": {"a": 2, "b": 1}}), kept(110, &spaced))
    );
    let extended = json!({"data": "x", "description": "k", "extension": "more"});
    assert_eq!(read(&body(110, extended.clone())).1, kept(110, &extended));
    let uuid = json!({"uuid": "s", "sourceUrl": "u", "duration": 1, "dataSize": 0});
    assert_eq!(read(&body(103, uuid.clone())).1, kept(103, &uuid));
}

#[test]
fn mentions_and_quotes_are_read() {
    let at = json!({"text": "@a look", "atUserList": ["a", "AtAllTag"], "isAtSelf": false});
    let text = json!({"type": "text", "text": "@a look", "mentions": {"all": true, "users": ["a"]}});
    assert_eq!(read(&to_group(body(106, at.clone()))), (text.clone(), Value::Null));
    assert_eq!(read(&body(106, at.clone())), (text, kept(106, &at)), "one user cannot be mentioned");
    let quoted = json!({"serverMsgID": "s0", "sendID": "bo", "seq": 7, "sendTime": 5, "contentType": 101, "textElem": {"content": "lunch?"}});
    let message = json!({"id": "s0", "from": "bo", "seq": "7", "time_ms": 5, "text": "lunch?"});
    let reply = json!({"text": "yes", "quoteMessage": quoted});
    assert_eq!(
        read(&body(114, reply)),
        (json!({"type": "quote", "text": "yes", "message": message}), Value::Null)
    );
    let both = json!({"text": "yes", "atUserList": ["bo"], "isAtSelf": false, "quoteMessage": quoted});
    let (content, own) = read(&to_group(body(106, both)));
    assert_eq!(
        (&content["type"], &content["mentions"]["users"], own),
        (&json!("quote"), &json!(["bo"]), Value::Null)
    );
}

#[test]
fn places_are_read_though_no_server_takes_them() {
    let place = json!({"description": "Office", "latitude": 52.5, "longitude": 13.4});
    let wanted = json!({"type": "location", "latitude": 52.5, "longitude": 13.4, "title": "Office"});
    assert_eq!(read(&body(109, place)).0, wanted);
    assert_eq!(read(&body(109, json!({"latitude": 95, "longitude": 0}))).0["type"], "custom");
}

#[test]
fn types_that_are_not_known_are_custom_with_the_type_as_their_kind() {
    let card = json!({"userID": "u9", "nickname": "Bo"});
    let wanted = json!({"type": "custom", "data": card, "kind": "108"});
    assert_eq!(read(&body(108, card.clone())), (wanted, json!({"contentType": 108})));
    for (content_type, content) in [(106, json!({"atUserList": ["a"]})), (114, json!({"text": "no message"}))]
    {
        let wanted = json!({"type": "custom", "data": content, "kind": content_type.to_string()});
        assert_eq!(read(&body(content_type, content)).0, wanted);
    }
    for content_type in [-1, 10_000] {
        let wanted = (200, error(1001, "ArgsError", "unsupported content type"));
        assert_eq!(post(SEND, &body(content_type, json!({}))).answered(), wanted);
    }
}

#[test]
fn notifications_keep_their_elements_and_what_else_they_have() {
    let picture = json!({"sourcePicture": base("u"), "bigPicture": base("u"), "snapshotPicture": base("u")});
    let news = json!({"notificationName": "News", "notificationFaceURL": "f", "notificationType": 7, "text": "Sale",
        "url": "l", "mixType": 1, "pictureElem": picture, "ex": "e"});
    let (content, own) = read(&body(1400, news.clone()));
    assert_eq!(content, json!({"type": "text", "text": "Sale"}));
    assert_eq!(own["notification"], without(news.clone(), "text"));
    let more = with(news, "mine", json!(1));
    assert_eq!(read(&body(1400, more.clone())).1, kept(1400, &more));
}

#[test]
fn content_is_decoded_as_weakly_as_the_server_does() {
    let sound = json!({"SOURCEURL": "u", "duration": "5", "dataSize": true});
    let wanted = json!({"type": "audio", "url": "u", "duration_ms": 5_000, "size": 1});
    assert_eq!(read(&body(103, sound)), (wanted, Value::Null), "and not passed on as it is: clients break");
    let at = json!({"text": 5, "atUserList": "a"});
    let (content, _) = read(&to_group(body(106, at)));
    assert_eq!((&content["text"], &content["mentions"]["users"]), (&json!("5"), &json!(["a"])));
}

#[test]
fn content_that_fails_the_validators_is_500_with_their_text() {
    let fails = |field: &str, tag: &str| {
        let name = field.rsplit('.').next().unwrap();
        format!("Key: '{field}' Error:Field validation for '{name}' failed on the '{tag}' tag")
    };
    let flat = json!({"sourcePicture": base("u"), "bigPicture": with(base("u"), "width", json!(0)), "snapshotPicture": base("u")});
    for (content_type, content, text) in [
        (101, json!({}), fails("TextElem.Content", "required")),
        (102, flat, fails("PictureElem.BigPicture.Width", "required")),
        (103, json!({"sourceUrl": "u", "duration": 0}), fails("SoundElem.Duration", "required")),
        (106, json!({"text": "x"}), fails("AtElem.AtUserList", "required")),
        (106, json!({"text": "x", "atUserList": vec!["a"; 1_001]}), fails("AtElem.AtUserList", "max")),
        (118, json!({"content": ""}), fails("MarkdownTextElem.Content", "required")),
        (
            1400,
            json!({"notificationName": "n", "notificationType": 1, "text": "t", "mixType": 6}),
            fails("OANotificationElem.MixType", "max"),
        ),
        (
            110,
            json!({"data": {"n": 1}}),
            "1 error(s) decoding:\n\n* 'data' expected type 'string', got unconvertible type 'map[string]interface {}'".to_owned(),
        ),
    ] {
        let wanted = (200, error(500, "ServerInternalError", &text));
        let answered = post(SEND, &body(content_type, content)).answered();
        if content_type == 110 {
            assert!(answered.1["errDlt"].as_str().unwrap().starts_with(&text), "{answered:?}");
            continue;
        }
        assert_eq!(answered, wanted);
    }
}
