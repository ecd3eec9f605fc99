//! What every adapter must keep, held against this one.

use interline_netease::VENDOR;
use interline_testkit::conformance::{Samples, run};
use serde_json::json;

#[test]
fn the_laws_of_adapters_hold() {
    let settings = json!({"app_key": "key", "app_secret": "canary-secret", "default_sender": "system",
                          "everyone": true, "resend_window": "60s"});
    let extensions = [
        json!({"highPriority": true, "needHighPriorityMsgResend": true}),
        json!({"abandonRatio": 50, "chatMsgPriority": 1}),
        json!({"antispam": true, "antispamCustom": {"type": 1, "data": "x"}, "bid": "b"}),
        json!({"subType": 3, "resendFlag": 1, "locX": 1.5}),
        json!({"msgType": 100, "env": "e", "route": 1}),
    ];
    let replies = [
        json!({"code": 200, "success": [{"msgid": "$client_id", "time": 1_700_000_000_000_u64}], "fail": []}),
        json!({"code": 200, "data": {"msgid": 7, "timetag": 1_700_000_000_000_u64, "antispam": false}}),
        json!({"code": 200, "unregister": [], "msgids": {"$recipient": 7}, "timetag": 1_700_000_000_000_u64}),
        json!({"code": 200, "msg": {"broadcastId": 7, "time": 1_700_000_000_000_u64}}),
    ];
    run(&VENDOR, &settings, Samples { extensions: &extensions, replies: &replies });
}
