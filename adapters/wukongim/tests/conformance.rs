//! What every adapter must keep, held against this one.

use interline_testkit::conformance::{Samples, run};
use interline_wukongim::VENDOR;
use serde_json::json;

#[test]
fn the_laws_of_adapters_hold() {
    let settings = json!({"token": "canary-token", "default_sender": "system", "room_channel_type": 9});
    let extensions = [
        json!({"sync_once": true}),
        json!({"channel_type": 4}),
        json!({"stream_no": "s1"}),
        json!({"tag_key": "t1"}),
    ];
    let replies = [
        json!([{"message_id": 1_689_248_112_654_155_776_u64, "message_seq": 12, "client_msg_no": "$client_id"}]),
        json!({"fail_uids": [], "reason": []}),
        json!({"fail_uids": ["$recipient"], "reason": ["no"]}),
        json!({"status": 200, "data": {"message_id": 7, "message_seq": 1, "client_msg_no": "$client_id"}}),
        json!({"message_id": 7, "message_seq": 1, "reason": 1}),
    ];
    run(&VENDOR, &settings, Samples { extensions: &extensions, replies: &replies });
}
