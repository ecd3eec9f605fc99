//! The decisions as a Markdown table, read off [`decide`] cell by cell, so that the document cannot
//! say what the code does not do. Rows that do not differ are written once.

use std::fmt::Write as _;

use super::{Action, Budget, ErrorClass, Repeat, Situation, decide};
use crate::options::Guarantee;
use crate::outcome::Status;

/// The columns: the guarantee, and what protects a repeat: nothing, a question, the vendor's memory.
const COLUMNS: [(Guarantee, Repeat, bool); 6] = [
    (Guarantee::AtMostOnce, Repeat::Doubles, false),
    (Guarantee::AtMostOnce, Repeat::Doubles, true),
    (Guarantee::AtMostOnce, Repeat::Recognised, false),
    (Guarantee::AtLeastOnce, Repeat::Doubles, false),
    (Guarantee::AtLeastOnce, Repeat::Doubles, true),
    (Guarantee::AtLeastOnce, Repeat::Recognised, false),
];

/// The rows of a class, in their order.
const BUDGETS: [Budget; 3] = [Budget::Left, Budget::Spent, Budget::Late];

/// A row: when it applies (none is either way), and its cells.
struct Row {
    prior_unknown: Option<bool>,
    budget: Option<Budget>,
    cells: Vec<String>,
}

/// The whole table, ending with a line break: what [`decide`] says for each class of error, guarantee
/// and protection of a repeat, and below it what all cells have in common.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| the attempt ended | an earlier one may have arrived | budget |");
    for (guarantee, repeat, askable) in COLUMNS {
        write_cell(&mut text, &format!("{}: {}", guarantee_word(guarantee), protection(repeat, askable)));
    }
    text.push_str("\n|---|---|---|");
    text.push_str(&"---|".repeat(COLUMNS.len()));
    text.push('\n');
    for class in ErrorClass::ALL {
        for row in rows(class) {
            text.push('|');
            write_cell(&mut text, class_words(class));
            write_cell(&mut text, words(row.prior_unknown, "yes", "no"));
            write_cell(&mut text, row.budget.map_or("", budget_word));
            row.cells.iter().for_each(|cell| write_cell(&mut text, cell));
            text.push('\n');
        }
    }
    text.push_str(RULES);
    text
}

const RULES: &str = "
- *doubles*: the vendor would take a repeat for a second message, and cannot be asked, or was asked in vain.
  *askable*: it would, but it can be asked what became of the message. *recognised*: it would know a repeat
  for the same message, because the first attempt is younger than its window.
- *elsewhere*: to the next provider of the route, if there is one that may take it; *again* if there is none.
- *again, maybe twice*: the result says `may_be_duplicate`.
- *ask*: only an answer that it arrived changes anything. Without one the column *doubles* decides.
- Where the vendor recognises repeats and can be asked as well, *recognised* decides while there is budget,
  then *askable*.
- *spent*: no attempt is left, and also no time where no row says *late*; *late*: attempts are left, and no time.
- What is for `everyone` is tried once: *again* and *elsewhere* are not done, as if the budget were spent.
";

fn rows(class: ErrorClass) -> Vec<Row> {
    let of = |prior| BUDGETS.map(|budget| (budget, cells(class, prior, budget)));
    let any_prior = of(false) == of(true);
    let priors: &[bool] = if any_prior { &[false] } else { &[false, true] };
    let mut rows = Vec::new();
    for prior in priors.iter().copied() {
        let prior_unknown = (!any_prior).then_some(prior);
        let [left, spent, late] = of(prior);
        if left.1 == spent.1 && spent.1 == late.1 {
            rows.push(Row { prior_unknown, budget: None, cells: left.1 });
            continue;
        }
        // Where it makes no difference what is gone, one row says so.
        let late = (late.1 != spent.1).then_some(late);
        for (budget, cells) in [left, spent].into_iter().chain(late) {
            rows.push(Row { prior_unknown, budget: Some(budget), cells });
        }
    }
    rows
}

fn cells(class: ErrorClass, prior_unknown: bool, budget: Budget) -> Vec<String> {
    let cell = |(guarantee, repeat, askable)| {
        let alone =
            Situation { guarantee, repeat, askable, prior_unknown, budget, fallback: false, everyone: false };
        let action = decide(class, &alone);
        let with_fallback = decide(class, &Situation { fallback: true, ..alone });
        if action == with_fallback {
            action_words(action)
        } else {
            format!("{} / {}", action_words(with_fallback), action_words(action))
        }
    };
    COLUMNS.into_iter().map(cell).collect()
}

fn write_cell(text: &mut String, cell: &str) {
    // Writing to a string cannot fail.
    write!(text, " {cell} |").unwrap_or_default();
}

const fn words(flag: Option<bool>, yes: &'static str, no: &'static str) -> &'static str {
    match flag {
        Some(true) => yes,
        Some(false) => no,
        None => "",
    }
}

const fn budget_word(budget: Budget) -> &'static str {
    match budget {
        Budget::Left => "left",
        Budget::Spent => "spent",
        Budget::Late => "late",
    }
}

const fn guarantee_word(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::AtMostOnce => "`at_most_once`",
        Guarantee::AtLeastOnce => "`at_least_once`",
    }
}

const fn protection(repeat: Repeat, askable: bool) -> &'static str {
    match (repeat, askable) {
        (Repeat::Doubles, false) => "doubles",
        (Repeat::Doubles, true) => "askable",
        (Repeat::Recognised, true | false) => "recognised",
    }
}

const fn class_words(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Accepted => "accepted",
        ErrorClass::NotSent => "not sent",
        ErrorClass::NotSentForGood => "not sent, for good",
        ErrorClass::Refused => "refused, for now",
        ErrorClass::RefusedForGood => "refused, for good",
        ErrorClass::Unknown => "unknown",
    }
}

fn action_words(action: Action) -> String {
    match action {
        Action::Settle(status) => settled_word(status),
        Action::Again => "again".to_owned(),
        Action::AgainMaybeTwice => "again, maybe twice".to_owned(),
        Action::AgainElsewhere => "elsewhere".to_owned(),
        Action::Ask => "ask".to_owned(),
    }
}

fn settled_word(status: Status) -> String {
    format!("**{}**", status.as_str())
}
