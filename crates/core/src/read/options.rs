//! Reads senders, options and extensions, each merged over what it inherits: `options`,
//! `options.push`, `vars`, `labels` and each vendor's extensions merge by key, `from` replaces.

use serde_json_borrow::Value;

use super::field::{Fields, Path, Problems};
use crate::options::{Extensions, Options, Platform, Priority, Push, Results, Sender};

/// Reads `from`: an id, or an object with one.
pub(super) fn sender(value: &Value<'_>, path: Path<'_>, problems: &mut Problems) -> Option<Sender> {
    if let Some(id) = value.as_str() {
        if id.is_empty() {
            problems.add(&path, "must not be empty");
            return None;
        }
        return Some(Sender::id(id));
    }
    let mut fields = Fields::of(value, path, problems)?;
    let id = fields.filled("id", problems);
    let name = fields.string("name", problems);
    let avatar_url = fields.string("avatar_url", problems);
    let platform = fields.text("platform", problems).and_then(|text| {
        let platform = Platform::parse(text);
        if platform.is_none() {
            let allowed =
                "ios, android, windows, macos, web, mini_web, linux, android_pad, ipad or platform:N";
            fields.wrong("platform", format!("{text:?} is not a platform; allowed: {allowed}"), problems);
        }
        platform
    });
    fields.done(problems);
    Some(Sender { id: id?, name, avatar_url, platform })
}

/// Reads `options` over `base`.
pub(super) fn options(
    value: &Value<'_>,
    path: Path<'_>,
    base: &Options,
    problems: &mut Problems,
) -> Option<Options> {
    let mut fields = Fields::of(value, path, problems)?;
    let results = [("each", Results::Each), ("fast", Results::Fast)];
    let priorities = [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];
    let options = Options {
        store: fields.boolean("store", problems).unwrap_or(base.store),
        online_only: fields.boolean("online_only", problems).unwrap_or(base.online_only),
        badge: fields.boolean("badge", problems).unwrap_or(base.badge),
        sync_sender: fields.boolean("sync_sender", problems).unwrap_or(base.sync_sender),
        ttl: fields.duration("ttl", problems).unwrap_or(base.ttl),
        results: fields.one_of("results", &results, problems).or(base.results),
        priority: fields.one_of("priority", &priorities, problems).unwrap_or(base.priority),
        audience: fields
            .object("audience", problems, |mut fields, problems| {
                let found = fields.strings("users", problems);
                let users = fields.required("users", found, problems);
                fields.done(problems);
                users
            })
            .or_else(|| base.audience.clone()),
        push: fields
            .object("push", problems, |fields, problems| Some(push(fields, &base.push, problems)))
            .unwrap_or_else(|| base.push.clone()),
    };
    fields.done(problems);
    Some(options)
}

fn push(mut fields: Fields<'_>, base: &Push, problems: &mut Problems) -> Push {
    let push = Push {
        enabled: fields.boolean("enabled", problems).unwrap_or(base.enabled),
        title: fields.string("title", problems).or_else(|| base.title.clone()),
        body: fields.string("body", problems).or_else(|| base.body.clone()),
        sound: fields.string("sound", problems).or_else(|| base.sound.clone()),
        ext: fields.string("ext", problems).or_else(|| base.ext.clone()),
        badge: fields.boolean("badge", problems).or(base.badge),
    };
    fields.done(problems);
    push
}

/// Reads `extensions` over `base`; `vendors` are the names that may stand there.
pub(super) fn extensions(
    value: &Value<'_>,
    path: Path<'_>,
    (base, vendors): (&Extensions, &[&str]),
    problems: &mut Problems,
) -> Option<Extensions> {
    let Some(object) = value.as_object() else {
        problems.add(&path, "expected an object with a member for each vendor");
        return None;
    };
    let mut merged = base.clone();
    for (vendor, own) in object.iter() {
        let at = Path::Key(&path, vendor);
        if !vendors.contains(&vendor) {
            problems.add(&at, format!("unknown vendor; allowed: {}", vendors.join(", ")));
            continue;
        }
        match serde_json::Value::from(own) {
            serde_json::Value::Object(own) => merged.entry(vendor.to_owned()).or_default().extend(own),
            serde_json::Value::Null => {}
            serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_)
            | serde_json::Value::Array(_) => problems.add(&at, "expected an object"),
        }
    }
    Some(merged)
}
