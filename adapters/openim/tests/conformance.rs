//! What every adapter must keep, held against this one.

use interline_openim::VENDOR;
use interline_testkit::conformance::{Samples, run};
use serde_json::{Value, json};

#[test]
fn the_laws_of_adapters_hold_with_a_secret() {
    laws_hold(&json!({"secret": "canary-secret", "default_sender": "system", "everyone": true}));
}

#[test]
fn the_laws_of_adapters_hold_with_a_ready_token() {
    laws_hold(&json!({"admin_token": "canary-token", "default_sender": "system", "everyone": true}));
}

fn laws_hold(settings: &Value) {
    let extensions = [
        json!({"contentType": 110}),
        json!({"contentType": 118, "content": {"content": "*own*", "mine": 1}}),
        json!({"sessionType": 3}),
        json!({"ex": "ex", "sendTime": 1_700_000_000_000_u64}),
        json!({"operationID": "op-1"}),
        json!({"contentType": 1400, "notification": {"notificationName": "n", "notificationType": 1}}),
    ];
    let sent = json!({"serverMsgID": "s1", "clientMsgID": "c1", "sendTime": 1_700_000_000_000_u64});
    let replies = [
        json!({"errCode": 0, "errMsg": "", "errDlt": "", "data": sent}),
        json!({"errCode": 0, "data": {"results": [{"serverMsgID": "s1", "recvID": "$recipient"}], "failedUserIDs": []}}),
        json!({"errCode": 0, "errMsg": "", "errDlt": ""}),
    ];
    run(&VENDOR, settings, Samples { extensions: &extensions, replies: &replies });
}
