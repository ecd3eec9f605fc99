//! Who has upgraded: a list of recipients, one a line. Only hashes are kept, so that a million of them is a
//! few megabytes.

use std::collections::HashSet;

use crate::recipient::{Recipient, RecipientKind};

/// Words that head a column of recipients.
const HEADS: [&str; 6] = ["to", "recipient", "user", "user_id", "userid", "id"];
/// Kinds that may stand before an id.
const KINDS: [&str; 3] = ["user:", "group:", "room:"];

/// The recipients that may be moved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cohort(HashSet<u64>);

impl Cohort {
    /// Reads a list: `user:ID`, `group:ID`, `room:ID` or a user's bare id, one a line. Of a CSV the first column
    /// counts, and a first line that names it is passed over. Empty lines and what follows a `#` at the
    /// beginning of a line are nothing.
    ///
    /// # Errors
    /// The first line that names nobody.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut found = HashSet::new();
        let mut first = true;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1u64..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = first_field(line);
            let heads = std::mem::take(&mut first) && HEADS.contains(&entry.to_ascii_lowercase().as_str());
            if heads {
                continue;
            }
            let recipient = if KINDS.iter().any(|kind| entry.starts_with(kind)) {
                entry.parse::<Recipient>().map_err(|why| format!("line {number}: {why}"))?
            } else if entry.is_empty() {
                return Err(format!(
                    "line {number}: names nobody; write user:ID, group:ID, room:ID or a user's id"
                ));
            } else {
                Recipient::new(RecipientKind::User, &entry)
            };
            found.insert(recipient.fingerprint());
        }
        Ok(Self(found))
    }

    /// Whether the recipient of this fingerprint is one of them.
    #[must_use]
    pub fn holds(&self, recipient: u64) -> bool {
        self.0.contains(&recipient)
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether they are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first field of a line of CSV; quotes around it may hold commas, and two of them are one.
fn first_field(line: &str) -> String {
    let Some(quoted) = line.strip_prefix('"') else {
        return line.split(',').next().unwrap_or_default().trim().to_owned();
    };
    let mut field = String::new();
    let mut letters = quoted.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '"' {
            field.push(letter);
        } else if letters.peek() == Some(&'"') {
            field.push('"');
            letters.next();
        } else {
            break;
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> u64 {
        text.parse::<Recipient>().unwrap().fingerprint()
    }

    #[test]
    fn bare_ids_are_users_and_kinds_are_kept() {
        let cohort = Cohort::read("alice\nuser:bob\r\ngroup:g1\n\n# nobody\nroom:7\n").unwrap();
        for who in ["user:alice", "user:bob", "group:g1", "room:7"] {
            assert!(cohort.holds(of(who)), "{who}");
        }
        assert_eq!(cohort.len(), 4);
        assert!(!cohort.holds(of("user:g1")));
    }

    #[test]
    fn the_first_column_of_a_csv_counts_without_its_head() {
        let cohort = Cohort::read("\u{feff}User_ID,version\nalice,7\n\"a,\"\"b\"\"\",8\n").unwrap();
        assert!(cohort.holds(of("user:alice")) && cohort.holds(of("user:a,\"b\"")));
        assert_eq!(cohort.len(), 2);
    }

    #[test]
    fn a_line_that_names_nobody_is_told_by_its_number() {
        assert!(Cohort::read("alice\nuser:\n").unwrap_err().starts_with("line 2: "));
        assert!(Cohort::read("alice\n,7\n").unwrap_err().starts_with("line 2: "));
    }
}
