//! Which conditions take everything that others would: how a route is found that never gets a message. An
//! answer of yes is certain, a no may be caution. Conditions are compared within a [`Cell`], where the kind of
//! recipient, the content type and the app are fixed, so that several routes can cover another together.

use interline_core::route::{When, Words};

/// Messages of one kind, content type and app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell<'c> {
    pub(super) kind: &'c str,
    pub(super) content: &'c str,
    pub(super) app: &'c str,
}

impl Cell<'_> {
    /// Whether conditions leave the cell open, as far as they speak of what it fixes.
    pub(super) fn is_open(self, when: &When) -> bool {
        let allows = |words: &Words, word: &str| words.0.is_empty() || words.0.iter().any(|one| one == word);
        allows(&when.to, self.kind) && allows(&when.content, self.content) && allows(&when.app, self.app)
    }
}

/// Whether conditions never hold within a cell that they leave open.
pub(super) fn excludes_itself(when: &When, cell: Cell<'_>) -> bool {
    let id = ids(when, cell).is_some_and(|ids| ids.is_empty());
    id || when.not.as_ref().is_some_and(|not| covers(not, when, cell))
}

/// Whether `all` holds for every message of the cell that `some` holds for.
pub(super) fn covers(all: &When, some: &When, cell: Cell<'_>) -> bool {
    let same_time = all.between.0.is_empty() || shown(all) == shown(some);
    let labels = all.label.iter().all(|(label, patterns)| {
        some.label.get(label).is_some_and(|found| takes_in(&patterns.0, Some(&found.0)))
    });
    let apart = all.not.as_ref().is_none_or(|not| excludes(not, some, cell));
    cell.is_open(all)
        && takes_in(&all.id.0, ids(some, cell).as_deref())
        && takes_in(&all.from.0, given(&some.from))
        && labels
        && same_time
        && apart
}

/// Whether `one` and `other` never hold together within the cell.
fn excludes(one: &When, other: &When, cell: Cell<'_>) -> bool {
    let labels = one.label.iter().any(|(label, patterns)| {
        other.label.get(label).is_some_and(|found| are_apart(&patterns.0, Some(&found.0)))
    });
    let denied = |when: &When, by: &When| by.not.as_ref().is_some_and(|not| covers(not, when, cell));
    !cell.is_open(one)
        || are_apart(&one.id.0, ids(other, cell).as_deref())
        || are_apart(&one.from.0, given(&other.from))
        || labels
        || denied(other, one)
        || denied(one, other)
}

/// The ids that conditions allow; none is any. `everyone` has an empty one.
fn ids(when: &When, cell: Cell<'_>) -> Option<Vec<String>> {
    if cell.kind != "everyone" {
        return given(&when.id).map(<[String]>::to_vec);
    }
    let empty = when.id.0.is_empty() || when.id.0.iter().any(|pattern| subsumes(pattern, ""));
    Some(if empty { vec![String::new()] } else { Vec::new() })
}

fn given(words: &Words) -> Option<&[String]> {
    (!words.0.is_empty()).then_some(words.0.as_slice())
}

fn shown(when: &When) -> Vec<String> {
    when.between.0.iter().map(ToString::to_string).collect()
}

/// Whether the patterns match all that others match; none of those is any text.
fn takes_in(patterns: &[String], others: Option<&[String]>) -> bool {
    let any = ["*".to_owned()];
    let others = others.unwrap_or(&any);
    patterns.is_empty() || others.iter().all(|other| patterns.iter().any(|one| subsumes(one, other)))
}

/// Whether no text matches both.
fn are_apart(patterns: &[String], others: Option<&[String]>) -> bool {
    let Some(others) = others else { return false };
    !patterns.is_empty() && patterns.iter().all(|one| others.iter().all(|other| is_apart(one, other)))
}

/// Whether every text that matches `part` matches `whole`.
pub(super) fn subsumes(whole: &str, part: &str) -> bool {
    let (whole, part): (Vec<char>, Vec<char>) = (whole.chars().collect(), part.chars().collect());
    // reached[n]: the pattern so far takes in the first n characters of the part.
    let mut reached = vec![false; part.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for wanted in whole {
        let mut next = vec![false; part.len() + 1];
        let mut open = false;
        for (place, before) in reached.iter().enumerate() {
            open |= *before;
            let found = part.get(place);
            let one = match (wanted, found) {
                ('*', _) | (_, None) => false,
                ('?', Some(found)) => *found != '*',
                (wanted, Some(found)) => wanted == *found && *found != '?',
            };
            if let (true, Some(next)) = (*before && one, next.get_mut(place + 1)) {
                *next = true;
            }
            if let (true, Some(next)) = (wanted == '*' && open, next.get_mut(place)) {
                *next = true;
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// Whether no text matches both patterns: their beginnings differ, or one is a text that the other does not match.
fn is_apart(one: &str, other: &str) -> bool {
    let begins = |pattern: &str| pattern.split(['*', '?']).next().unwrap_or_default().to_owned();
    let literal = |pattern: &str| !pattern.contains(['*', '?']);
    let (first, second) = (begins(one), begins(other));
    (literal(one) && !subsumes(other, one))
        || (literal(other) && !subsumes(one, other))
        || !(first.starts_with(&second) || second.starts_with(&first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Cell<'_> = Cell { kind: "user", content: "text", app: "shop" };

    fn words(words: &[&str]) -> Words {
        Words(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn patterns_take_in_what_is_narrower() {
        for (whole, part) in
            [("*", "a*b?"), ("a*", "ab*"), ("a?c", "abc"), ("*b*", "ab"), ("?*", "x"), ("", "")]
        {
            assert!(subsumes(whole, part), "{whole} {part}");
        }
        for (whole, part) in [("?", "*"), ("a*", "*"), ("ab", "a?"), ("a?", "a"), ("*a", "a*"), ("", "*")] {
            assert!(!subsumes(whole, part), "{whole} {part}");
        }
    }

    #[test]
    fn patterns_with_other_beginnings_are_apart() {
        assert!(is_apart("vip-*", "staff-*") && is_apart("vip-*", "bob") && is_apart("a", "b"));
        assert!(!is_apart("vip-*", "*-1") && !is_apart("vip-*", "vip-1") && !is_apart("*", "b"));
    }

    #[test]
    fn what_is_negated_covers_all_that_it_does_not_name() {
        let narrow = When { id: words(&["vip-1"]), ..When::default() };
        let not = When { id: words(&["staff-*"]), ..When::default() };
        let all_but_staff = When { not: Some(Box::new(not)), ..When::default() };
        assert!(covers(&all_but_staff, &narrow, CELL));
        assert!(!covers(&all_but_staff, &When::default(), CELL));
        assert!(covers(&all_but_staff, &all_but_staff.clone(), CELL), "the same conditions");
    }

    #[test]
    fn conditions_that_negate_themselves_never_hold() {
        let vip = When { id: words(&["vip-*"]), ..When::default() };
        let never = When { not: Some(Box::new(vip.clone())), id: words(&["vip-7"]), ..When::default() };
        assert!(excludes_itself(&never, CELL));
        let some = When { not: Some(Box::new(vip)), id: words(&["*"]), ..When::default() };
        assert!(!excludes_itself(&some, CELL));
        let everyone = Cell { kind: "everyone", ..CELL };
        assert!(excludes_itself(&When { id: words(&["a"]), ..When::default() }, everyone));
    }

    #[test]
    fn a_label_or_a_time_is_covered_only_by_the_same_or_none() {
        let label = |pattern: &str| When {
            label: [("tier".to_owned(), words(&[pattern]))].into(),
            ..When::default()
        };
        assert!(covers(&label("*"), &label("gold"), CELL) && covers(&When::default(), &label("*"), CELL));
        assert!(!covers(&label("*"), &When::default(), CELL) && !covers(&label("gold"), &label("*"), CELL));
    }
}
