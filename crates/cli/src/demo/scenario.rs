//! What the demo sends and what must come back, as plain functions.
//!
//! One batch for an app whose people live at four vendors: customers at WuKongIM, staff at OpenIM,
//! guests at IMKit, live rooms at NetEase. One room does not exist, and one answer gets lost.

use interline_core::outcome::Status;
use interline_twins::{Fault, FaultKind, Vendor};
use serde_json::{Value, json};

use crate::api::ResultAnswer;

/// The message that its vendor refuses.
pub(crate) const REFUSED: &str = "closed";
/// The message whose answer gets lost.
pub(crate) const LOST: &str = "lost";

const NAMES: [&str; 24] = [
    "Alice", "Bo", "Carmen", "Dmitri", "Emeka", "Fatima", "Goran", "Hana", "Ines", "Jun", "Katya", "Liam",
    "Mei", "Noor", "Olu", "Priya", "Quinn", "Rosa", "Sven", "Tomás", "Uma", "Viktor", "Wanjiru", "Xin",
];
const STAFF: u64 = 20;
const COMMENTS: u64 = 20;

/// How many messages go to a vendor.
pub(crate) fn messages_at(vendor: Vendor) -> u64 {
    match vendor {
        Vendor::WuKongIm => NAMES.len() as u64 + 2,
        Vendor::OpenIm => STAFF,
        Vendor::ImKit => NAMES.len() as u64 / 2,
        Vendor::NetEase => COMMENTS + 2,
    }
}

/// How many of them arrive: the room that does not exist takes nothing, a lost answer loses no message.
pub(crate) fn arriving_at(vendor: Vendor) -> u64 {
    messages_at(vendor) - u64::from(vendor == Vendor::NetEase)
}

/// The most calls that a vendor should need; more means that the planner does not do its work.
pub(crate) const fn calls_at(vendor: Vendor) -> u64 {
    match vendor {
        Vendor::WuKongIm | Vendor::OpenIm | Vendor::ImKit => 1,
        Vendor::NetEase => 4,
    }
}

/// Messages in all.
pub(crate) fn total() -> u64 {
    Vendor::ALL.into_iter().map(messages_at).sum()
}

/// What goes wrong on purpose, and where.
pub(crate) fn fault() -> (Vendor, Fault) {
    (Vendor::NetEase, Fault::new(FaultKind::CloseAfterRead).times(1).on("/msg/sendMsg"))
}

/// The batch.
pub(crate) fn batch() -> Value {
    let mut messages = Vec::new();
    for (place, name) in NAMES.iter().enumerate() {
        messages.push(json!({
            "id": format!("order-{}", place + 1),
            "to": format!("user:{}", name.to_lowercase()),
            "vars": {"name": name, "no": (1700 + place).to_string()},
        }));
    }
    for (id, group) in [("photo-1", "book-club"), ("photo-2", "runners")] {
        messages.push(json!({
            "id": id, "to": format!("group:{group}"),
            "content": {"type": "image", "url": "https://example.com/autumn.jpg", "width": 640, "height": 480},
        }));
    }
    for number in 1..=STAFF {
        messages.push(json!({
            "id": format!("shift-{number}"), "to": format!("user:staff-{number}"),
            "content": {"type": "text", "text": "The late shift starts at 18:00"},
            "options": {"results": "fast"},
        }));
    }
    for (place, name) in NAMES.iter().step_by(2).enumerate() {
        messages.push(json!({
            "id": format!("guest-{}", place + 1), "to": format!("user:guest-{}", place + 1),
            "vars": {"name": name, "no": (9000 + place).to_string()},
        }));
    }
    for number in 1..=COMMENTS {
        messages.push(json!({
            "id": format!("live-{number}"), "to": "room:765788",
            "content": {"type": "text", "text": format!("Offer {number} is open")},
        }));
    }
    messages.push(json!({
        "id": LOST, "to": "user:live-host", "content": {"type": "text", "text": "The stream starts in five minutes"},
    }));
    messages.push(json!({
        "id": REFUSED, "to": "room:404404", "content": {"type": "text", "text": "Is anybody here?"},
    }));
    json!({
        "from": {"id": "shop", "name": "Shop"},
        "content": {"type": "text", "text": "Hi $name$, order $no$ has shipped", "template": true},
        "messages": messages,
        "labels": {"campaign": "demo"},
    })
}

/// The demo's configuration: a route a vendor, and the twins' own secrets.
pub(crate) fn config(listen: &str, ledger: &str, url: impl Fn(Vendor) -> String) -> String {
    format!(
        r#"[server]
listen = "{listen}"
auth = "off"

[ledger]
url = "sqlite:{ledger}"

[providers.wk]
vendor = "wukongim"
base_url = "{wk}"
dialect = "auto"

[providers.oim]
vendor = "openim"
base_url = "{oim}"
dialect = "auto"
admin_user_id = "imAdmin"
secret = "openIM123"

[providers.kit]
vendor = "imkit"
base_url = "{kit}"
api_key = "twin-imkit-key"

[providers.ne]
vendor = "netease"
base_url = "{ne}"
app_key = "twin-app-key"
app_secret = "twin-app-secret"

[[routes]]
name = "rooms"
when = {{ to = "room" }}
provider = "ne"

[[routes]]
name = "hosts"
when = {{ id = "live-*" }}
provider = "ne"

[[routes]]
name = "staff"
when = {{ id = "staff-*" }}
provider = "oim"

[[routes]]
name = "guests"
when = {{ id = "guest-*" }}
provider = "kit"

[[routes]]
name = "customers"
provider = "wk"
"#,
        wk = url(Vendor::WuKongIm),
        oim = url(Vendor::OpenIm),
        kit = url(Vendor::ImKit),
        ne = url(Vendor::NetEase),
    )
}

/// What differs from the scenario, one sentence each; empty when all is as it should be.
pub(crate) fn deviations(results: &[ResultAnswer], arrived: impl Fn(Vendor) -> (u64, u64)) -> Vec<String> {
    let mut odd = Vec::new();
    if results.len() as u64 != total() {
        odd.push(format!("{} results for {} messages", results.len(), total()));
    }
    for result in results {
        let expected = match result.id.as_str() {
            REFUSED => (Status::Rejected, Some("recipient_not_found"), Some("404")),
            LOST => (Status::Unknown, Some("connection_lost"), None),
            _ => (Status::Accepted, None, None),
        };
        let error = result.error.as_ref();
        let code = error.map(|failure| failure.code.as_str());
        let found = (result.status, code, error.and_then(|failure| failure.vendor_code.as_deref()));
        if found != expected {
            odd.push(format!(
                "{} ({}): expected {}, found {}",
                result.id,
                result.to,
                said(expected),
                said(found)
            ));
        }
    }
    for vendor in Vendor::ALL {
        let (messages, calls) = arrived(vendor);
        if messages != arriving_at(vendor) {
            odd.push(format!("{messages} messages arrived at {vendor}, expected {}", arriving_at(vendor)));
        }
        if calls > calls_at(vendor) {
            odd.push(format!("{calls} calls to {vendor}, expected at most {}", calls_at(vendor)));
        }
    }
    odd
}

fn said((status, code, vendor_code): (Status, Option<&str>, Option<&str>)) -> String {
    let parts: Vec<&str> = [Some(status.as_str()), code, vendor_code].into_iter().flatten().collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_it_should_be() -> Vec<ResultAnswer> {
        let batch = batch();
        let result = |message: &Value| {
            let (status, error) = match message["id"].as_str().unwrap() {
                REFUSED => ("rejected", Some(("recipient_not_found", "refused", Some("404")))),
                LOST => ("unknown", Some(("connection_lost", "unknown", None))),
                _ => ("accepted", None),
            };
            let error = error.map(|(code, fate, vendor_code)| {
                json!({"code": code, "message": "", "fate": fate, "retryable": false,
                    "vendor_code": vendor_code, "vendor_message": null})
            });
            serde_json::from_value(
                json!({"id": message["id"], "to": message["to"], "status": status, "error": error}),
            )
            .unwrap()
        };
        batch["messages"].as_array().unwrap().iter().map(result).collect()
    }

    fn arrived(vendor: Vendor) -> (u64, u64) {
        (arriving_at(vendor), calls_at(vendor))
    }

    #[test]
    fn the_expected_results_deviate_in_nothing() {
        assert_eq!(deviations(&as_it_should_be(), arrived), Vec::<String>::new());
    }

    #[test]
    fn every_other_state_is_a_deviation() {
        for id in [REFUSED, LOST, "order-1", "shift-20", "guest-12", "live-20"] {
            let mut results = as_it_should_be();
            let result = results.iter_mut().find(|result| result.id == id).unwrap();
            result.status = Status::Expired;
            let odd = deviations(&results, arrived);
            assert!(odd.len() == 1 && odd[0].starts_with(id), "{odd:?}");
        }
    }

    #[test]
    fn a_message_twice_or_a_call_too_many_is_a_deviation() {
        let results = as_it_should_be();
        for (more, calls) in [(1, 0), (0, 1)] {
            let odd = deviations(&results, |vendor| (arriving_at(vendor) + more, calls_at(vendor) + calls));
            assert_eq!(odd.len(), 4, "{odd:?}");
        }
    }

    #[test]
    fn ids_are_unique_and_the_total_is_right() {
        let batch = batch();
        let ids: std::collections::BTreeSet<_> =
            batch["messages"].as_array().unwrap().iter().map(|message| message["id"].to_string()).collect();
        assert_eq!(ids.len() as u64, total());
    }
}
