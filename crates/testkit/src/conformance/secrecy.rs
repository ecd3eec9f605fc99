//! The law of secrets: what a provider's settings and tokens hold is seen nowhere but in headers marked
//! secret, and in the body of a login. What only signs is not even there.

use std::fmt::Debug;

use interline_core::adapter::{Request, Sent, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Subject;
use crate::build;

/// How each secret among a suite's settings starts.
pub const CANARY: &str = "canary-";

/// The token of calls.
const TOKEN: &str = "canary-token-of-calls";

/// Neither what people can see of settings and requests nor any error about them holds a secret.
pub fn secrets_stay_secret(subject: &Subject<'_>) {
    let planted = subject.settings.values().filter(|value| sings(&value.to_string())).count();
    assert!(planted > 0, "the settings hold no text that starts with {CANARY}");
    quiet("the adapter", &subject.adapter);
    wrong_settings_are_refused_without_quoting(subject);
    for probe in (subject.vendor.probes)(subject.settings) {
        masked(subject, &probe).expect("probes");
    }
    let seal = interline_core::adapter::Seal { token: Some(TOKEN), ..build::seal() };
    if let Some(login) = subject.adapter.login(&seal) {
        quiet("the login", &login);
        masked(subject, &Request { body: Vec::new(), ..login.request.clone() }).expect("the login");
        for body in [json!(TOKEN), json!({"token": TOKEN, "data": {"token": TOKEN, "expireTimeSeconds": 9}})]
        {
            match (login.read)(&build::reply(200, &body)) {
                Ok(token) => quiet("the token", &token),
                Err(error) => quiet("the login's error", &(error.to_string(), error)),
            }
        }
    }
    subject.hold("secrets stay secret", &subject.calls(), |calls| {
        for call in calls {
            let request = subject.adapter.encode(&call, &seal);
            let request = request.map_err(|error| TestCaseError::fail(error.to_string()))?;
            masked(subject, &request).map_err(TestCaseError::fail)?;
            let Some(first) = call.messages.first() else { continue };
            let sent =
                Sent { message: &first.message, recipient_id: first.recipient_id(), class: call.class };
            if let Some(lookup) = subject.adapter.lookup(&sent, &seal) {
                let shown = format!("{lookup:?}");
                prop_assert!(!sings(&shown));
                masked(subject, &lookup.request).map_err(TestCaseError::fail)?;
            }
        }
        Ok(())
    });
}

/// Whether a text stands anywhere in a request.
pub(super) fn holds(request: &Request, text: &str) -> bool {
    let mut parts = request.headers.iter().map(|header| header.value.as_bytes()).collect::<Vec<_>>();
    parts.extend([request.path.as_bytes(), &request.body]);
    parts.into_iter().any(|part| part.windows(text.len()).any(|window| window == text.as_bytes()))
}

fn sings(text: &str) -> bool {
    text.contains(CANARY)
}

fn quiet(what: &str, shown: &impl Debug) {
    let text = format!("{shown:?} {shown:#?}");
    assert!(!sings(&text), "{what} shows a secret: {text}");
}

/// Secrets stand in headers marked secret alone, and those that sign, in none: they are named
/// `…secret` among the settings.
fn masked(subject: &Subject<'_>, request: &Request) -> Result<(), String> {
    let (secret, open) = request.headers.iter().cloned().partition(|header| header.secret);
    let shown = Request { headers: open, ..request.clone() };
    if holds(&shown, CANARY) {
        return Err(format!("a secret can be seen: {} {:?}", shown.path, shown.headers));
    }
    let hidden = Request { headers: secret, ..Request::get("/") };
    let mut signing = subject.settings.iter().filter(|(key, _)| key.ends_with("secret"));
    match signing.find(|(_, value)| value.as_str().is_some_and(|value| holds(&hidden, value))) {
        Some((key, _)) => Err(format!("{key} is sent as it is")),
        None => Ok(()),
    }
}

/// Breaks one setting after the other: errors name the field and never say what stood there.
fn wrong_settings_are_refused_without_quoting(subject: &Subject<'_>) {
    let mut refused = 0;
    let keys = subject.vendor.settings.iter().copied().chain(["no_such_key"]);
    // What stands where no secret is expected may be shown.
    let open = |key| {
        subject
            .settings
            .get(key)
            .map_or(subject.vendor.settings.contains(&key), |value| !sings(&value.to_string()))
    };
    for (key, wrong) in
        keys.flat_map(|key| wrong_values(if open(key) { "crow-" } else { CANARY }).map(|wrong| (key, wrong)))
    {
        let mut settings: Settings = subject.settings.clone();
        settings.insert(key.to_owned(), wrong);
        for dialect in [subject.dialect, "no such dialect"] {
            match (subject.vendor.build)(&settings, dialect) {
                Ok(adapter) => quiet(key, &adapter),
                Err(errors) => {
                    refused += 1;
                    assert!(!errors.is_empty() && errors.iter().all(|error| error.path.starts_with('/')));
                    quiet(key, &errors);
                }
            }
        }
    }
    assert!(refused > 0, "no wrong setting was refused");
}

fn wrong_values(bird: &str) -> [Value; 5] {
    [
        json!([format!("{bird}in-a-list")]),
        json!({format!("{bird}key"): format!("{bird}in-an-object")}),
        json!(format!("{bird}with\r\nline ends")),
        json!(format!("{bird}with-密")),
        json!(7),
    ]
}
