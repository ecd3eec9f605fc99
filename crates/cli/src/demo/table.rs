//! The demo's picture: results that differ in kind, the rest folded away, and what the planner saved.

use comfy_table::{Cell, CellAlignment, Table};
use interline_core::outcome::Status;
use interline_twins::Vendor;

use crate::api::ResultAnswer;
use crate::output::{faint_cell, grouped, narrowed, table};
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
pub(crate) fn folded(results: &[ResultAnswer]) -> Table {
    let mut rows = results_table();
    for group in results.chunk_by(|one, other| kind(one) == kind(other)) {
        for result in group.iter().take(SHOWN) {
            rows.add_row(result_row(result));
        }
        let rest = group.len().saturating_sub(SHOWN);
        let (Some(first), 1..) = (group.first(), rest) else { continue };
        let vendor = first.vendor.as_deref().unwrap_or_default();
        let more =
            [String::new(), format!("… {rest} more"), vendor.to_owned(), first.status.as_str().to_owned()];
        rows.add_row(more.into_iter().map(faint_cell));
    }
    narrowed(rows)
}

fn kind(result: &ResultAnswer) -> (&str, Option<&str>, Status) {
    let name = result.id.split('-').next().unwrap_or_default();
    (name, result.vendor.as_deref(), result.status)
}

/// Messages and calls by vendor.
pub(crate) fn shares(shares: &[Share]) -> Table {
    let mut rows = table(&["vendor", "dialect", "messages", "arrived", "calls", "one by one"]);
    for place in 2..6 {
        if let Some(column) = rows.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for share in shares {
        rows.add_row([
            Cell::new(share.vendor),
            faint_cell(share.dialect),
            Cell::new(grouped(share.sent)),
            Cell::new(grouped(share.arrived)),
            Cell::new(grouped(share.calls)).fg(comfy_table::Color::Green),
            faint_cell(grouped(share.sent)),
        ]);
    }
    narrowed(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::plain;
    use serde_json::json;

    fn text(table: &Table) -> String {
        table.lines().map(|row| plain(&row)).collect::<Vec<_>>().join(
            "
",
        )
    }

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
        insta::assert_snapshot!(text(&folded(&results)));
    }

    #[test]
    fn shares_fit_the_width() {
        let share = Share { vendor: Vendor::OpenIm, dialect: "v3.8.3", sent: 21, arrived: 21, calls: 2 };
        insta::assert_snapshot!(text(&shares(&[share])));
    }
}
