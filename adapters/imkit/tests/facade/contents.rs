//! Types and their fields: what the vendor's clients know becomes a content of its kind, the rest is the
//! app's own.

use interline_core::options::Results;
use interline_imkit::VENDOR;
use interline_testkit::build;
use serde_json::{Value, json};

use super::{BATCH, SINGLE, batch};

fn content(body: &Value) -> Value {
    let mut whole = json!({"room": "r", "sender": "s"});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let sent = batch(SINGLE, &whole);
    assert_eq!(build::batch(&sent).1.len(), 1, "the batch can be read");
    sent["messages"][0]["content"].clone()
}

#[test]
fn an_image_has_its_address_and_size() {
    let fields =
        json!({"originalUrl": "https://o", "thumbnailUrl": "https://t", "width": 640, "height": "480"});
    let wanted = json!({"type": "image", "url": "https://o", "thumbnail_url": "https://t", "width": 640, "height": 480});
    let mut body = fields.clone();
    body["messageType"] = json!("image");
    assert_eq!(content(&body), wanted);
    let mut listed = json!({"messageType": "image", "message": "", "images": [fields]});
    assert_eq!(content(&listed), wanted, "one picture in a list is that picture");
    listed["images"] = json!([fields, fields]);
    assert_eq!(content(&listed)["type"], "custom", "no other vendor has several");
}

#[test]
fn sounds_and_films_last_seconds() {
    let audio = json!({"messageType": "audio", "message": "voice.m4a", "originalUrl": "https://o", "duration": 2.5,
                       "extra": "{\"fileExtension\":\"m4a\",\"bytes\":900}"});
    assert_eq!(
        content(&audio),
        json!({"type": "audio", "url": "https://o", "name": "voice.m4a", "duration_ms": 2500, "format": "m4a",
               "size": 900, "ext": "{\"fileExtension\":\"m4a\",\"bytes\":900}"})
    );
    let video = json!({"messageType": "video", "originalUrl": "https://o", "thumbnailUrl": "https://t", "duration": "7"});
    assert_eq!(
        content(&video),
        json!({"type": "video", "url": "https://o", "thumbnail_url": "https://t", "duration_ms": 7000})
    );
}

#[test]
fn a_file_has_its_name_from_the_message_or_from_extra() {
    let facts = json!({"fileName": "a.pdf", "mimeType": "application/pdf", "bytes": "12"});
    let named =
        json!({"messageType": "file", "message": "b.pdf", "originalUrl": "https://o", "extra": facts});
    assert_eq!(
        content(&named),
        json!({"type": "file", "url": "https://o", "name": "b.pdf", "mime": "application/pdf", "size": 12, "ext": facts})
    );
    let unnamed = json!({"messageType": "file", "originalUrl": "https://o", "extra": facts});
    assert_eq!(content(&unnamed)["name"], "a.pdf");
    let nameless = json!({"messageType": "file", "originalUrl": "https://o"});
    assert_eq!(content(&nameless)["type"], "custom");
}

#[test]
fn a_place_has_degrees_however_they_are_written() {
    let place =
        json!({"messageType": "location", "message": "Taipei", "latitude": "25.03", "longitude": 121.5});
    assert_eq!(
        content(&place),
        json!({"type": "location", "latitude": 25.03, "longitude": 121.5, "address": "Taipei"})
    );
}

#[test]
fn types_that_nobody_knows_are_custom_with_all_their_fields() {
    assert_eq!(
        content(&json!({"messageType": "gift", "message": "{\"n\":3}"})),
        json!({"type": "custom", "kind": "gift", "data": "{\"n\":3}"})
    );
    assert_eq!(
        content(&json!({"messageType": "sticker", "message": "", "sticker": "s1"})),
        json!({"type": "custom", "kind": "sticker", "data": {"sticker": "s1"}})
    );
    assert_eq!(
        content(&json!({"messageType": "flex", "message": "alt", "contents": {"type": "bubble"}})),
        json!({"type": "custom", "kind": "flex", "data": {"message": "alt", "contents": {"type": "bubble"}}})
    );
    assert_eq!(
        content(&json!({"messageType": "image", "message": "no address"})),
        json!({"type": "custom", "kind": "image", "data": "no address"})
    );
}

#[test]
fn an_answer_quotes_what_it_answers() {
    let quote = |reply: Value| content(&json!({"messageType": "text", "message": "yes", "reply": reply}));
    assert_eq!(quote(json!("m1")), json!({"type": "quote", "text": "yes", "message": {"id": "m1"}}));
    assert_eq!(
        quote(json!({"_id": "m1", "message": "really?", "sender": {"_id": "u"}, "messageType": "text"})),
        json!({"type": "quote", "text": "yes", "message": {"id": "m1", "text": "really?", "from": "u"}})
    );
    assert_eq!(quote(json!({"sender": "u"}))["message"], json!({"from": "u"}));
    assert_eq!(quote(json!(7)), json!({"type": "text", "text": "yes"}));
}

#[test]
fn the_vendor_itself_gets_the_members_as_they_were_written() {
    let own = |body: Value| {
        let sent = batch(BATCH, &body);
        let messages = build::batch(&sent).1;
        let adapter = build::adapter(&VENDOR, "v1", &json!({"api_key": "k"}));
        let call = build::call(&*adapter, &messages, Results::Fast);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        let mut written: Value = serde_json::from_slice(&request.body).unwrap();
        // It is said even where it is as left out.
        assert_eq!(written.as_object_mut().unwrap().remove("push"), Some(json!(false)));
        assert_eq!(written, body);
    };
    let paras = json!([{"receiver": "u"}, {"room": "r"}]);
    own(
        json!({"messageType": "image", "message": "", "originalUrl": "https://o", "width": "7", "sender": "s",
               "images": [{"originalUrl": "https://o"}, {"originalUrl": "https://p"}], "paras": paras}),
    );
    own(json!({"messageType": "sticker", "message": "", "sticker": "s1", "sender": "s", "paras": paras}));
    own(
        json!({"messageType": "text", "message": "yes", "reply": {"_id": "m1"}, "extra": {"k": 1}, "sender": "s",
               "paras": paras}),
    );
    own(
        json!({"messageType": "file", "message": "a.pdf", "originalUrl": "https://o", "extra": "{\"bytes\":7}",
               "skipTotalBadge": true, "sender": "s", "paras": paras}),
    );
    own(json!({"messageType": "announcement", "message": "Hi $name$", "sender": "s",
               "paras": [{"receiver": "u", "$name$": "A"}, {"room": "r", "$name$": "B"}]}));
}
