//! The demo's picture: results that differ in kind, the rest folded away, and what the planner saved.

use interline_core::outcome::Status;
use interline_twins::Vendor;

use crate::api::ResultAnswer;
use crate::output::{GOOD, Rows, cell, faint_cell, grouped};
use crate::results::{result_row, results_table};

/// Accepted messages shown of each kind.
const SHOWN: usize = 2;

/// One vendor's share, counted by its twin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) vendor: Vendor,
    pub(crate) dialect: &'static str,
    /// Messages of the batch for this vendor.
    pub(crate) sent: u64,
    /// Messages that the twin took.
    pub(crate) arrived: u64,
    /// Calls that the twin read.
    pub(crate) calls: u64,
}

/// The results in their order; of neighbours of one kind the first two, and a row that counts the rest.
pub(crate) fn folded(results: &[ResultAnswer]) -> Rows {
    let mut rows = results_table();
    for group in results.chunk_by(|one, other| kind(one) == kind(other)) {
        for result in group.iter().take(SHOWN) {
            rows.add(result_row(result));
        }
        let rest = group.len().saturating_sub(SHOWN);
        let (Some(first), 1..) = (group.first(), rest) else { continue };
        let vendor = first.vendor.as_deref().unwrap_or_default();
        let more =
            [String::new(), format!("… {rest} more"), vendor.to_owned(), first.status.as_str().to_owned()];
        rows.add(more.into_iter().map(faint_cell));
    }
    rows
}

fn kind(result: &ResultAnswer) -> (&str, Option<&str>, Status) {
    let name = result.id.split('-').next().unwrap_or_default();
    (name, result.vendor.as_deref(), result.status)
}

/// Messages and calls by vendor.
pub(crate) fn shares(shares: &[Share]) -> Rows {
    let mut rows =
        Rows::new(&["vendor", "dialect", "messages", "arrived", "calls", "one by one"]).right(2..6);
    for share in shares {
        rows.add([
            cell(share.vendor),
            faint_cell(share.dialect),
            cell(grouped(share.sent)),
            cell(grouped(share.arrived)),
            cell(grouped(share.calls)).styled(GOOD),
            faint_cell(grouped(share.sent)),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn neighbours_of_one_kind_are_folded() {
        let result = |id: &str, status: &str| {
            serde_json::from_value(json!({"id": id, "to": "user:a", "status": status, "vendor": "wukongim",
                "vendor_message_id": "1689248112654155777", "attempts": [{"duration_ms": 3}]}))
            .unwrap()
        };
        let results = [
            result("order-1", "accepted"),
            result("order-2", "accepted"),
            result("order-3", "accepted"),
            result("order-4", "accepted"),
            result("closed", "rejected"),
        ];
        insta::assert_snapshot!(folded(&results).plain(100));
    }

    #[test]
    fn shares_fit_the_width() {
        let share = Share { vendor: Vendor::OpenIm, dialect: "v3.8.3", sent: 21, arrived: 21, calls: 2 };
        insta::assert_snapshot!(shares(&[share]).plain(100));
    }
}
