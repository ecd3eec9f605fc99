//! Packs a batch's messages into parcels, one for each provider at a time, and reads parcels back. The
//! stored form is text that people can read with any SQLite tool: a version line, then for each message
//! its index, the length of its JSON and the JSON as the caller wrote it.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind};
use crate::json;
use crate::message::default_results;
use crate::options::Results;

/// Most messages in a parcel.
pub const PARCEL_MESSAGES: usize = 256;
/// Most bytes in a parcel, unless a single message has more.
pub const PARCEL_BYTES: usize = 256 * 1024;

/// Each head has the same length, so that it can be set when the parcel is closed.
const EACH: &str = "interline parcel 1 each\n";
const FAST: &str = "interline parcel 1 fast\n";

/// Some messages of one batch for one provider: one row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The provider, as far as known when it was packed.
    pub provider: String,
    /// Index of the first message.
    pub first_index: u64,
    /// How many messages.
    pub count: usize,
    /// The stored form.
    pub body: Vec<u8>,
    /// Fingerprints of the recipients.
    pub recipients: Vec<u64>,
    /// Fingerprints of the ids that the caller gave.
    pub ids: Vec<u64>,
}

/// What a packer needs of a message.
#[derive(Debug, Clone, Copy)]
pub struct Item<'m> {
    /// Position in the batch.
    pub index: u64,
    /// The JSON as the caller wrote it.
    pub json: &'m str,
    /// [`crate::recipient::Recipient::fingerprint`].
    pub recipient: u64,
    /// [`crate::id::message_fingerprint`], where the caller gave the id.
    pub id: Option<u64>,
    /// Whether it uses the batch's content: many such messages default to `results = "fast"`.
    pub shares_content: bool,
}

/// Packs messages as they come; holds one open parcel for each provider.
#[derive(Debug, Default)]
pub struct Packer {
    open: BTreeMap<String, Parcel>,
    sharing: u64,
}

/// What stands around a message in the stored form, at most.
const AROUND: usize = 32;

impl Parcel {
    fn empty(provider: &str, first_index: u64) -> Self {
        Self {
            provider: provider.to_owned(),
            first_index,
            count: 0,
            body: EACH.as_bytes().to_vec(),
            recipients: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// All messages of one provider in one parcel, however large: for sends that no lane takes apart.
    pub fn whole<'m>(
        provider: &str,
        results: Results,
        items: impl Iterator<Item = Item<'m>> + Clone,
    ) -> Self {
        let mut parcel = Self::empty(provider, items.clone().next().map_or(0, |first| first.index));
        let (bytes, count) =
            items.clone().fold((0, 0), |(bytes, count), item| (bytes + item.json.len() + AROUND, count + 1));
        parcel.body.reserve(bytes);
        parcel.recipients.reserve(count);
        items.for_each(|item| parcel.add(item));
        parcel.close(results);
        parcel
    }

    fn add(&mut self, item: Item<'_>) {
        self.count += 1;
        json::whole(&mut self.body, i64::try_from(item.index).unwrap_or(i64::MAX));
        self.body.push(b' ');
        json::whole(&mut self.body, i64::try_from(item.json.len()).unwrap_or(i64::MAX));
        self.body.push(b' ');
        self.body.extend_from_slice(item.json.as_bytes());
        self.body.push(b'\n');
        self.recipients.push(item.recipient);
        self.ids.extend(item.id);
    }

    fn close(&mut self, results: Results) {
        let head = match results {
            Results::Each => EACH,
            Results::Fast => FAST,
        };
        if let Some(place) = self.body.get_mut(..head.len()) {
            place.copy_from_slice(head.as_bytes());
        }
    }
}

impl Packer {
    /// Adds a message; returns the parcel that it filled or overflowed.
    pub fn push(&mut self, provider: &str, item: Item<'_>) -> Option<Parcel> {
        self.sharing += u64::from(item.shares_content);
        let full = self.open.get(provider).is_some_and(|parcel| {
            parcel.count >= PARCEL_MESSAGES || parcel.body.len() + item.json.len() + AROUND > PARCEL_BYTES
        });
        let done = if full { self.open.remove(provider).map(|parcel| self.close(parcel)) } else { None };
        match self.open.get_mut(provider) {
            Some(parcel) => parcel.add(item),
            None => {
                let first = || Parcel::empty(provider, item.index);
                self.open.entry(provider.to_owned()).or_insert_with(first).add(item);
            }
        }
        done
    }

    /// The parcels that are still open.
    #[must_use]
    pub fn finish(mut self) -> Vec<Parcel> {
        std::mem::take(&mut self.open).into_values().map(|parcel| self.close(parcel)).collect()
    }

    /// What `results` defaults to after the messages so far.
    #[must_use]
    pub const fn results(&self) -> Results {
        default_results(self.sharing)
    }

    fn close(&self, mut parcel: Parcel) -> Parcel {
        parcel.close(self.results());
        parcel
    }
}

/// A stored parcel, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked<'b> {
    /// What `results` defaults to.
    pub results: Results,
    /// Index and JSON of each message, in order.
    pub messages: Vec<(u64, &'b str)>,
}

/// Reads a stored parcel.
///
/// # Errors
/// `corrupt` when the stored form is another version's or damaged.
pub fn unpack(body: &[u8]) -> Result<Unpacked<'_>, Error> {
    let corrupt = |what: &str| Error::new(ErrorKind::Corrupt, format!("cannot read stored parcel: {what}"));
    let text = std::str::from_utf8(body).map_err(|error| corrupt("it is not UTF-8").because(error))?;
    let (results, mut rest) = match (text.strip_prefix(EACH), text.strip_prefix(FAST)) {
        (Some(rest), _) => (Results::Each, rest),
        (None, Some(rest)) => (Results::Fast, rest),
        (None, None) => return Err(corrupt("unknown version")),
    };
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let message = (|| {
            let (index, tail) = rest.split_once(' ')?;
            let (length, tail) = tail.split_once(' ')?;
            let (json, tail) = tail.split_at_checked(length.parse().ok()?)?;
            Some((index.parse().ok()?, json, tail.strip_prefix('\n')?))
        })();
        let (index, json, tail) = message.ok_or_else(|| corrupt("a message is damaged"))?;
        messages.push((index, json));
        rest = tail;
    }
    Ok(Unpacked { results, messages })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(texts in proptest::collection::vec("[ -~\n€]{0,40}", 0..700)) {
            let mut packer = Packer::default();
            let mut parcels = Vec::new();
            for (index, json) in (0u64..).zip(&texts) {
                let provider = if index % 3 == 0 { "a" } else { "b" };
                parcels.extend(packer.push(provider, Item { index, json, recipient: index, id: None, shares_content: false }));
            }
            parcels.extend(packer.finish());
            let mut back = Vec::new();
            for parcel in &parcels {
                prop_assert!(parcel.count <= PARCEL_MESSAGES && parcel.body.len() <= PARCEL_BYTES);
                let messages = unpack(&parcel.body).unwrap().messages;
                prop_assert_eq!(messages.len(), parcel.count);
                prop_assert_eq!(messages[0].0, parcel.first_index);
                back.extend(messages.into_iter().map(|(index, json)| (index, json.to_owned())));
            }
            back.sort_unstable();
            prop_assert_eq!(back, (0u64..).zip(texts).collect::<Vec<_>>());
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut stored = EACH.as_bytes().to_vec();
            stored.extend(body);
            drop(unpack(&stored));
        }
    }

    #[test]
    fn a_whole_parcel_has_everything_in_it() {
        let texts: Vec<String> = (0..700).map(|number| format!("{{\"to\":\"user:{number}\"}}")).collect();
        let items = texts.iter().enumerate().map(|(index, json)| Item {
            index: index as u64 + 3,
            json,
            recipient: 1,
            id: None,
            shares_content: true,
        });
        let parcel = Parcel::whole("a", Results::Fast, items);
        let unpacked = unpack(&parcel.body).unwrap();
        assert_eq!((parcel.first_index, parcel.count, parcel.recipients.len()), (3, 700, 700));
        assert_eq!(unpacked.results, Results::Fast);
        assert!(unpacked.messages.iter().map(|(_, json)| *json).eq(texts.iter().map(String::as_str)));
    }

    #[test]
    fn many_recipients_of_one_content_default_to_fast() {
        let item = |index| Item { index, json: "{}", recipient: index, id: None, shares_content: true };
        for (count, results) in [(100, Results::Each), (101, Results::Fast)] {
            let mut packer = Packer::default();
            for index in 0..count {
                assert!(packer.push("a", item(index)).is_none());
            }
            let parcel = packer.finish().remove(0);
            assert_eq!(unpack(&parcel.body).unwrap().results, results);
        }
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(unpack(b"interline parcel 9\n").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
