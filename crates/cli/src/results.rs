//! Results of messages as a table: one form for the demo, `batch messages` and whoever comes next.

use interline_core::error::Fate;

use crate::api::ResultAnswer;
use crate::output::{Cell, Rows, cell, clipped, faint_cell, status_cell};

/// Longest words of a vendor in a row.
const WORDS: usize = 40;
/// Longest id of a vendor in a row: a 63-bit number stays whole.
const ID: usize = 20;

/// An empty table with the columns of results.
pub(crate) fn results_table() -> Rows {
    Rows::new(&["id", "to", "vendor", "status", "code", "the vendor says", "ms"])
        .right([6])
        .shed([6, 2])
        .cut([0, 1, 5])
}

/// One message: where it was accepted the vendor's id, else the vendor's code and words beside ours.
pub(crate) fn result_row(result: &ResultAnswer) -> Vec<Cell> {
    let vendor = result.vendor.as_deref().or(result.provider.as_deref()).unwrap_or("-");
    let (code, words) = match &result.error {
        Some(failure) => {
            let words = match (&failure.vendor_code, &failure.vendor_message) {
                (Some(code), Some(words)) => cell(clipped(&format!("{code} {words}"), WORDS)),
                (Some(code), None) => cell(code),
                (None, Some(words)) => cell(clipped(words, WORDS)),
                (None, None) if failure.fate == Fate::Unknown => faint_cell("(no answer)"),
                (None, None) => faint_cell(clipped(&failure.message, WORDS)),
            };
            (failure.code.as_str(), words)
        }
        None => (
            "",
            faint_cell(result.vendor_message_id.as_deref().map_or_else(String::new, |id| clipped(id, ID))),
        ),
    };
    vec![
        cell(&result.id),
        cell(&result.to),
        cell(vendor),
        status_cell(result.status.as_str()),
        cell(code),
        words,
        faint_cell(result.took_ms().map_or_else(String::new, |ms| ms.to_string())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn three() -> Rows {
        let mut rows = results_table();
        for value in [
            json!({"id": "m1", "to": "user:alice", "status": "accepted", "vendor": "wukongim",
                "vendor_message_id": "1689248112654155777", "attempts": [{"duration_ms": 12}]}),
            json!({"id": "m2", "to": "room:404404", "status": "rejected", "vendor": "netease",
                "error": {"code": "recipient_not_found", "message": "the room does not exist", "fate": "refused",
                    "retryable": false, "vendor_code": "404", "vendor_message": "chatroom not exist"},
                "attempts": [{"duration_ms": 7}]}),
            json!({"id": "m3", "to": "group:ops", "status": "unknown", "vendor": "openim",
                "error": {"code": "connection_lost", "message": "the connection ended before an answer came",
                    "fate": "unknown", "retryable": false, "vendor_code": null, "vendor_message": null},
                "attempts": [{"duration_ms": 3}]}),
        ] {
            rows.add(result_row(&serde_json::from_value(value).unwrap()));
        }
        rows
    }

    #[test]
    fn our_code_stands_beside_the_vendors_own() {
        insta::assert_snapshot!(three().plain(100));
    }

    #[test]
    fn a_long_code_stays_whole_on_60_columns() {
        let text = three().plain(60);
        assert!(text.contains("  recipient_not_found  "), "{text}");
        for line in text.lines() {
            assert!(crate::output::columns(line) <= 60, "{text}");
        }
    }
}
