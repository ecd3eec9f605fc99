//! What every façade must keep, held against this one and its own adapter.

use interline_imkit::VENDOR;
use interline_testkit::facade::{
    Carries, Crossing, Mirror, Sight, calls_survive, never_panics, reports_survive, strangers_are_refused,
};
use serde_json::{Value, json};

fn hold(law: fn(&Mirror<'_>)) {
    let extensions = [
        json!({"messageType": "announcement"}),
        json!({"skipTotalBadge": true}),
        json!({"extra": {"k": "v"}}),
        json!({"extra": "te$$xt"}),
        json!({"body": {"messageType": "image", "message": "", "originalUrl": "https://o"}, "skipTotalBadge": true}),
        json!({"body": {"messageType": "sticker", "message": "$s$", "sticker": "s1", "extra": {"k": 1}}}),
        json!({"body": {"messageType": "text", "message": "yes", "reply": "m1", "extra": "text"}}),
    ];
    for fold in [true, false] {
        law(&Mirror {
            vendor: &VENDOR,
            dialect: "v1",
            settings: &json!({"api_key": "the-key", "default_sender": "system", "fold": fold}),
            credentials: &json!({"api_key": "the-key"}),
            extensions: &extensions,
            classes: &["batch", "send"],
            leaves_out: |_| false,
            level,
            carries: |class| Carries {
                ids: class == "send",
                times: class == "send",
                blurred: class == "batch",
            },
        });
    }
}

fn level(sent: &mut Sight, back: &mut Sight, crossing: &Crossing) {
    for sight in [sent, back] {
        // The vendor has one kind of room.
        sight.to = sight.to.replacen("room:", "group:", 1);
        level_words(sight);
        level_extra(sight);
        let Some(options) = sight.options.as_object_mut() else { continue };
        // A message lies in a room, which its sender sees too; who is not pushed to is not told how.
        options.remove("sync_sender");
        if crossing.losses.contains(&"online_only") {
            options.remove("store");
        }
    }
}

/// The body has one text and one type, whatever the content calls them.
fn level_words(sight: &mut Sight) {
    if let Some(body) = sight.extensions.get_mut("body").and_then(Value::as_object_mut) {
        // It stands in the place of the content, and of its `ext` where it has an `extra`.
        let own = body.remove("extra");
        let ext = own.or_else(|| sight.content.get("ext").cloned());
        let mentions = sight.content.get("mentions").cloned();
        let given = [("ext", ext), ("mentions", mentions)].into_iter();
        sight.content = given.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        return;
    }
    let own = sight.extensions.as_object_mut().and_then(|own| own.remove("messageType"));
    let Some(content) = sight.content.as_object_mut() else { return };
    let (words, kind) = if let Some(data) = content.remove("data") {
        let kind = content.remove("kind").filter(|kind| kind != "").unwrap_or_else(|| json!("custom"));
        (data.as_str().map_or_else(|| data.to_string(), str::to_owned), kind)
    } else {
        let text = content.remove("text").unwrap_or_default();
        (text.as_str().unwrap_or_default().to_owned(), json!("text"))
    };
    content.insert("words".to_owned(), json!(words));
    content.insert("type".to_owned(), own.unwrap_or(kind));
}

/// `extra` is text or an object, from either home; an object of `ext` is written as text.
fn level_extra(sight: &mut Sight) {
    let own = sight.extensions.as_object_mut().and_then(|own| own.remove("extra"));
    let Some(content) = sight.content.as_object_mut() else { return };
    let ext =
        content.remove("ext").map(|ext| ext.as_str().map_or_else(|| json!(ext.to_string()), Value::from));
    content.insert("extra".to_owned(), own.or(ext).unwrap_or_default());
}

#[test]
fn calls_survive_the_facade() {
    hold(calls_survive);
}

#[test]
fn reports_survive_the_facade() {
    hold(reports_survive);
}

#[test]
fn only_who_has_the_key_may_ask() {
    hold(strangers_are_refused);
}

#[test]
fn no_request_upsets_the_facade() {
    hold(|mirror| {
        never_panics(
            mirror,
            &[
                r#"{"messageType":"text","message":"Hi $name$","sender":"s","paras":[{"receiver":"u","$name$":"A"},{"room":"r","$name$":"B"}]}"#,
                r#"{"messageType":"image","message":"","originalUrl":"u","width":"7","images":[{"originalUrl":"v"}],"paras":[{"room":"r"}]}"#,
                r#"{"messageType":"file","message":"f","originalUrl":"u","extra":"{\"bytes\":7}","room":"r","sender":"s"}"#,
                r#"{"messageType":"location","latitude":"25.03","longitude":121.5,"room":"r","sender":"s","mentions":["a"]}"#,
                r#"{"messageType":"gift","message":{"n":3},"x":1,"reply":{"_id":"m"},"room":"r","sender":"s"}"#,
            ],
        );
    });
}
