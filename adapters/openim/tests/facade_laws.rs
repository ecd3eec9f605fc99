//! The façade held against the adapter, dialect by dialect: what one writes the other reads.

use interline_core::message::Message;
use interline_core::recipient::RecipientKind;
use interline_openim::VENDOR;
use interline_testkit::facade::{
    Carries, Crossing, Mirror, Sight, calls_survive, never_panics, reports_survive, strangers_are_refused,
};
use serde_json::{Value, json};

const DIALECTS: [&str; 3] = ["v3.8.3", "main", "published"];

/// Runs a law for each dialect: once without broadcasts, whose answers name nobody, and once with them alone.
fn everywhere(law: fn(&Mirror<'_>)) {
    let settings = json!({
        "secret": "canary-secret", "admin_user_id": "boss", "default_sender": "system", "everyone": true,
    });
    let credentials = json!({"admin_user_id": "boss", "secret": "canary-secret"});
    let extensions = [
        json!({"contentType": 110}),
        json!({"sessionType": 3}),
        json!({"ex": "ex", "sendTime": 1_700_000_000_000_u64}),
        json!({"operationID": "op-1"}),
        json!({"contentType": 1400, "notification": {"notificationName": "n", "notificationType": 1}}),
        json!({"contentType": 101, "content": {"content": "own", "uuid": "u"}}),
    ];
    for dialect in DIALECTS {
        let named = Mirror {
            vendor: &VENDOR,
            dialect,
            settings: &settings,
            credentials: &credentials,
            extensions: &extensions,
            classes: &["send", "batch"],
            leaves_out: |message: &Message| message.to.kind() == RecipientKind::Everyone,
            level,
            carries: |_| Carries { ids: true, times: true, blurred: false },
        };
        law(&named);
        law(&Mirror {
            classes: &["batch"],
            leaves_out: |message| message.to.kind() != RecipientKind::Everyone,
            carries: |_| Carries { ids: false, times: true, blurred: false },
            ..named
        });
    }
}

#[test]
fn what_the_adapter_writes_is_read_back() {
    everywhere(calls_survive);
}

#[test]
fn what_the_facade_answers_is_understood() {
    everywhere(reports_survive);
}

#[test]
fn strangers_get_nothing() {
    everywhere(strangers_are_refused);
}

#[test]
fn any_request_gets_an_answer() {
    everywhere(|mirror| {
        never_panics(
            mirror,
            &[
                r#"{"sendID":"a","recvIDs":["u1","u2"],"content":{"content":"hi"},"contentType":101,"sessionType":1}"#,
                r#"{"sendID":"a","recvID":"u1","content":{"content":"hi"},"contentType":101,"sessionType":1}"#,
                r#"{"sendUserID":"a","recvUserID":"u1","key":"k","data":"{}"}"#,
                r#"{"secret":"canary-secret","userID":"boss"}"#,
            ],
        );
    });
}

/// What the wire cannot tell apart, beside what the adapter lists as lost.
fn level(sent: &mut Sight, back: &mut Sight, crossing: &Crossing) {
    for sight in [&mut *sent, &mut *back] {
        one(sight, crossing);
    }
}

fn one(_sight: &mut Sight, _crossing: &Crossing) {}
