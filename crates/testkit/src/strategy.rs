//! proptest strategies: messages as callers may write them; what servers may answer is in [`reply`].
//! What is drawn is always valid as JSON of the API; whether a vendor takes it is the adapter's to say.
//! Texts are odd on purpose: quotes, dollars, controls, joined and right-to-left signs.

pub mod reply;

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::build::VENDORS;

const ODD: [&str; 16] = [
    "你好，世界",
    "👩‍👩‍👧‍👦",
    "e\u{301}\u{327}",
    "\u{202e}שלום\u{202c}",
    "\"quoted\" \\ back\\\\slash",
    "line\r\nbreak\ttab",
    "\u{0}\u{7}\u{1b}[31m",
    "\u{2028}\u{2029}\u{feff}",
    "$name$ costs $5 $$",
    "a&b=c+d%20e;f#g?h",
    "</script><!--",
    "{\"code\":200}",
    " ",
    "𝕏\u{10ffff}",
    "{{x}} ${y} %s",
    "null",
];

/// A text of at least one character.
pub fn text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 ]{1,12}",
        4 => select(&ODD[..]).prop_map(str::to_owned),
        1 => vec(any::<char>(), 1..16).prop_map(|signs| signs.into_iter().collect::<String>()),
    ]
    .boxed()
}

/// A text that means the same whether it is a template or not.
fn text_without_dollars() -> BoxedStrategy<String> {
    text().prop_map(|text| text.replace('$', "＄")).boxed()
}

/// A recipient of any kind.
pub fn recipient() -> BoxedStrategy<String> {
    let id = prop_oneof![
        8 => (1..1_000_000_u32).prop_map(|number| number.to_string()),
        3 => "[a-z]{1,8}",
        1 => text(),
    ];
    prop_oneof![
        4 => id.clone().prop_map(|id| format!("user:{id}")),
        3 => id.clone().prop_map(|id| format!("group:{id}")),
        4 => id.prop_map(|id| format!("room:{id}")),
        1 => Just("everyone".to_owned()),
    ]
    .boxed()
}

/// A client id of 1 to 64 characters.
pub fn client_id() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "[a-f0-9]{32}",
        1 => "[ -~]{64}",
        1 => text(),
    ]
    .boxed()
}

/// How likely a field is there: always, or seldom.
const ALWAYS: f64 = 1.0;
const SELDOM: f64 = 0.2;

fn object(fields: Vec<(&'static str, f64, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let keys: Vec<&str> = fields.iter().map(|(key, _, _)| *key).collect();
    let values: Vec<_> = fields
        .into_iter()
        .map(
            |(_, likely, value)| {
                if likely < ALWAYS { weighted(likely, value).boxed() } else { value.prop_map(Some).boxed() }
            },
        )
        .collect();
    values
        .prop_map(move |values| {
            keys.iter().zip(values).filter_map(|(key, value)| Some(((*key).to_owned(), value?))).collect()
        })
        .boxed()
}

/// A MIME type: what has no slash is none, and some vendors tell it from a format by that.
fn mime() -> BoxedStrategy<Value> {
    "[a-z]{1,8}/[a-z0-9.+-]{1,12}".prop_map(Value::from).boxed()
}

fn string() -> BoxedStrategy<Value> {
    text().prop_map(Value::from).boxed()
}

fn url() -> BoxedStrategy<Value> {
    prop_oneof![3 => "https://cdn[.]test/[a-z]{1,8}[.][a-z]{3}", 1 => text()].prop_map(Value::from).boxed()
}

fn whole(to: u64) -> BoxedStrategy<Value> {
    (0..=to).prop_map(Value::from).boxed()
}

fn switch() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn names() -> BoxedStrategy<Value> {
    vec("[a-z]{1,6}", 1..4).prop_map(Value::from).boxed()
}

/// Any JSON, three levels deep.
pub fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        string(),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((text(), inner), 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    })
    .boxed()
}

/// Any JSON but `null`, which is as good as absent.
fn given_json() -> BoxedStrategy<Value> {
    any_json().prop_map(|value| if value.is_null() { json!([null]) } else { value }).boxed()
}

/// One content type's fields, beside those that every content has.
type Shape = (&'static str, Vec<(&'static str, f64, BoxedStrategy<Value>)>);

fn media() -> Vec<(&'static str, f64, BoxedStrategy<Value>)> {
    vec![
        ("url", ALWAYS, url()),
        ("size", SELDOM, whole(1 << 40)),
        ("md5", SELDOM, string()),
        ("format", SELDOM, string()),
    ]
}

fn shapes(vendor: &'static str) -> Vec<Shape> {
    let with = |mut fields: Vec<_>, more: Vec<_>| {
        fields.extend(more);
        fields
    };
    let said = || vec![("text", ALWAYS, string())];
    let pixels = || {
        vec![("width", SELDOM, whole(9_000)), ("height", SELDOM, whole(9_000)), ("name", SELDOM, string())]
    };
    let quoted = object(vec![
        ("id", 0.5, string()),
        ("client_id", SELDOM, string()),
        ("seq", SELDOM, string()),
        ("from", 0.5, string()),
        ("from_name", SELDOM, string()),
        ("text", 0.5, string()),
        ("time_ms", SELDOM, whole(1 << 41)),
    ]);
    let degrees = |limit: f64| (-limit..limit).prop_map(Value::from).boxed();
    let raw_vendor = prop_oneof![4 => Just(vendor), 1 => select(&VENDORS[..])].prop_map(Value::from).boxed();
    vec![
        ("text", said()),
        ("markdown", said()),
        ("notice", said()),
        ("image", with(with(media(), pixels()), vec![("thumbnail_url", SELDOM, url())])),
        ("audio", with(media(), vec![("duration_ms", ALWAYS, whole(1 << 32)), ("name", SELDOM, string())])),
        ("video", with(with(media(), pixels()), vec![("duration_ms", 0.5, whole(1 << 32))])),
        ("file", with(media(), vec![("name", ALWAYS, string()), ("mime", SELDOM, mime())])),
        (
            "location",
            vec![
                ("latitude", ALWAYS, degrees(90.0)),
                ("longitude", ALWAYS, degrees(180.0)),
                ("title", 0.5, string()),
                ("address", 0.5, string()),
            ],
        ),
        ("quote", with(said(), vec![("message", ALWAYS, quoted)])),
        ("command", vec![("name", ALWAYS, string()), ("data", 0.5, any_json())]),
        ("custom", vec![("data", ALWAYS, given_json()), ("kind", 0.5, kind())]),
        ("raw", vec![("vendor", ALWAYS, raw_vendor.clone()), ("body", ALWAYS, given_json())]),
        (
            "raw",
            vec![
                ("vendor", ALWAYS, raw_vendor),
                ("body_base64", ALWAYS, Just(json!("eyJ0eXBlIjoxfQ==")).boxed()),
            ],
        ),
    ]
}

fn kind() -> BoxedStrategy<Value> {
    prop_oneof!["[0-9]{1,4}", "[a-z]{3,8}", text()].prop_map(Value::from).boxed()
}

/// A content with the values of its placeholders, where it is a template.
fn content(vendor: &'static str) -> BoxedStrategy<(Value, Option<Value>)> {
    let ext = prop_oneof![string(), object(vec![("k", ALWAYS, given_json())])].boxed();
    let mentions = object(vec![("all", SELDOM, switch()), ("users", 0.8, names())]);
    let plain = shapes(vendor).into_iter().map(|(kind, mut fields)| {
        fields.push(("type", ALWAYS, Just(json!(kind)).boxed()));
        fields.push(("ext", SELDOM, ext.clone()));
        fields.push(("mentions", SELDOM, mentions.clone()));
        object(fields).prop_map(|content| (content, None)).boxed()
    });
    let template = (select(vec!["text", "markdown", "notice"]), text(), text(), text(), any::<bool>());
    let template = template.prop_map(|(kind, before, after, value, strict)| {
        let doubled = |text: String| text.replace('$', "$$");
        let text = format!("{}$name${}", doubled(before), doubled(after));
        let (template, vars) =
            if strict { (json!(true), Some(json!({"name": value}))) } else { (json!("lenient"), None) };
        (json!({"type": kind, "text": text, "template": template}), vars)
    });
    let text = object(vec![("type", ALWAYS, Just(json!("text")).boxed()), ("text", ALWAYS, string())]);
    let text = text.prop_map(|content| (content, None));
    prop_oneof![
        10 => proptest::strategy::Union::new(plain),
        2 => template,
        10 => text,
    ]
    .boxed()
}

fn options() -> BoxedStrategy<Value> {
    let words = || text_without_dollars().prop_map(Value::from).boxed();
    let one_of = |words: &'static [&'static str]| select(words).prop_map(Value::from).boxed();
    let push = object(vec![
        ("enabled", SELDOM, switch()),
        ("title", 0.4, words()),
        ("body", 0.4, words()),
        ("sound", SELDOM, words()),
        ("ext", SELDOM, words()),
        ("badge", SELDOM, switch()),
    ]);
    object(vec![
        ("store", SELDOM, switch()),
        ("online_only", SELDOM, switch()),
        ("badge", SELDOM, switch()),
        ("sync_sender", SELDOM, switch()),
        ("ttl", SELDOM, one_of(&["10s", "90m", "7d"])),
        ("results", SELDOM, one_of(&["each", "fast"])),
        ("priority", SELDOM, one_of(&["low", "normal", "high"])),
        ("audience", 0.1, object(vec![("users", ALWAYS, names())])),
        ("push", 0.3, push),
    ])
}

fn sender() -> BoxedStrategy<Value> {
    let platform = select(vec!["ios", "web", "ipad", "platform:77"]).prop_map(Value::from).boxed();
    let full = object(vec![
        ("id", ALWAYS, "[a-z]{1,8}".prop_map(Value::from).boxed()),
        ("name", 0.5, string()),
        ("avatar_url", 0.5, url()),
        ("platform", 0.5, platform),
    ]);
    prop_oneof![3 => "[a-z]{1,8}".prop_map(Value::from), 1 => string(), 1 => full].boxed()
}

/// A message as a caller writes it, with one of these extensions of the vendor's now and then.
pub fn message(vendor: &'static str, extensions: &[Value]) -> BoxedStrategy<Value> {
    let mut own = vec![json!({"no such field": 1})];
    own.extend_from_slice(extensions);
    let own = select(own).prop_map(move |own| json!({vendor: own}));
    let parts = (
        recipient(),
        content(vendor),
        weighted(0.3, sender()),
        weighted(0.5, options()),
        weighted(0.25, own),
        weighted(0.4, client_id()),
    );
    parts
        .prop_map(|(to, (content, vars), from, options, extensions, client_id)| {
            let optional = [
                ("vars", vars),
                ("from", from),
                ("options", options),
                ("extensions", extensions),
                ("client_id", client_id.map(Value::from)),
            ];
            let mut message = json!({"to": to, "content": content});
            for (key, value) in optional {
                if let Some(value) = value {
                    message[key] = value;
                }
            }
            message
        })
        .boxed()
}

/// Messages that are nearly alike: each differs from the first in few fields, so that many may share
/// a call. No two have one client id: whose results are told apart by it cannot share a call then.
pub fn company(vendor: &'static str, extensions: &[Value]) -> BoxedStrategy<Vec<Value>> {
    let one = message(vendor, extensions);
    let differs = |likely| proptest::bool::weighted(likely);
    let marks = (differs(0.4), differs(0.2), differs(0.2), differs(0.2), differs(0.2), differs(0.5));
    let member = (one.clone(), marks, text());
    (one, vec(member, 1..6))
        .prop_map(|(first, members)| {
            let others = members.into_iter().map(|(other, marks, value)| {
                let (to, content, from, options, extensions, vars) = marks;
                let mut like = first.clone();
                let fields = [
                    ("to", to),
                    ("content", content),
                    ("vars", content),
                    ("from", from),
                    ("options", options),
                    ("extensions", extensions),
                    ("client_id", true),
                ];
                let own = fields.into_iter().filter(|(_, differs)| *differs);
                for (key, _) in own {
                    take(&mut like, &other, key);
                }
                if vars && like.get("vars").is_some() {
                    like["vars"] = json!({"name": value});
                }
                like
            });
            std::iter::once(first.clone()).chain(others).map(named_once(&mut HashSet::new())).collect()
        })
        .boxed()
}

/// Leaves a client id to the first message that has it.
fn named_once(seen: &mut HashSet<String>) -> impl FnMut(Value) -> Value {
    |mut message| {
        let taken = message["client_id"].as_str().is_some_and(|id| !seen.insert(id.to_owned()));
        if let Some(fields) = message.as_object_mut().filter(|_| taken) {
            fields.remove("client_id");
        }
        message
    }
}

fn take(like: &mut Value, other: &Value, key: &str) {
    let Some(fields) = like.as_object_mut() else { return };
    match other.get(key) {
        Some(value) => fields.insert(key.to_owned(), value.clone()),
        None => fields.remove(key),
    };
}
