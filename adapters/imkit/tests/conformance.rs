//! What every adapter must keep, held against this one.

use interline_imkit::VENDOR;
use interline_testkit::conformance::{Samples, run};
use serde_json::json;

#[test]
fn the_laws_of_adapters_hold() {
    let extensions = [
        json!({"messageType": "announcement"}),
        json!({"skipTotalBadge": true}),
        json!({"extra": {"k": "v"}}),
        json!({"extra": "text"}),
        json!({"body": {"messageType": "sticker", "message": "", "sticker": "s1"}}),
    ];
    let replies = [
        json!({"RC": 0, "RM": "OK", "result": {"batchID": "b1", "count": 1}}),
        json!({"RC": 0, "RM": "OK", "result": {"_id": "m1", "appID": "a", "messageTimeMS": 1_700_000_000_000_u64}}),
    ];
    for fold in [true, false] {
        let settings = json!({"api_key": "canary-key", "default_sender": "system", "fold": fold});
        run(&VENDOR, &settings, Samples { extensions: &extensions, replies: &replies });
    }
}
