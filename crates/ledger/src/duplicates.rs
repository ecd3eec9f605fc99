//! Finding message ids that occur twice in a batch of any length, in bounded memory.
//!
//! The hashes are looked at range by range, each range small enough to be sorted in memory; the number of
//! ranges follows from the number of ids. A range that turns out too full is halved.

use crate::error::Result;
use crate::model::{DuplicateHash, Duplicates};
use crate::sqlite::{CountIds, IdsAfter, Store, hashes_between};

/// Hashes held at a time.
const IN_MEMORY: usize = 256 * 1024;
/// Hashes expected in a range; the rest is room for chance.
const PER_RANGE: u64 = 200_000;
/// Hashes listed.
const LISTED: usize = 1000;
/// Occurrences listed for each.
const OCCURRENCES: usize = 64;

/// Reads the id lists of a batch as often as its length asks for.
pub(crate) async fn find(store: &Store, batch_id: &str) -> Result<Duplicates> {
    let count = store.read(CountIds { batch_id: batch_id.to_owned() }).await?;
    let mut duplicates = Duplicates::default();
    let mut ranges = ranges(count);
    while let Some((low, high)) = ranges.pop() {
        match collect(store, batch_id, (low, high)).await? {
            Some(mut entries) => report(&mut entries, &mut duplicates),
            None => {
                let middle = low + (high - low) / 2;
                ranges.push((middle + 1, high));
                ranges.push((low, middle));
            }
        }
    }
    Ok(duplicates)
}

/// Splits all hashes in ranges, the lowest last.
fn ranges(count: u64) -> Vec<(u64, u64)> {
    let parts = count.div_ceil(PER_RANGE);
    let Some(width) = u64::MAX.checked_div(parts) else {
        return Vec::new();
    };
    (0..parts)
        .rev()
        .map(|part| {
            let high = if part + 1 == parts { u64::MAX } else { (part + 1) * width - 1 };
            (part * width, high)
        })
        .collect()
}

/// The hashes of a range with their parcels, or `None` if they are too many to hold.
async fn collect(store: &Store, batch_id: &str, (low, high): (u64, u64)) -> Result<Option<Vec<(u64, u32)>>> {
    let mut entries = Vec::new();
    let mut after_seq = None;
    loop {
        let page = store.read(IdsAfter { batch_id: batch_id.to_owned(), after_seq }).await?;
        let Some((last, _)) = page.last() else {
            return Ok(Some(entries));
        };
        after_seq = Some(*last);
        for (seq, ids) in &page {
            entries.extend(hashes_between(ids, low, high).map(|hash| (hash, *seq)));
            if entries.len() > IN_MEMORY {
                thin(&mut entries);
                if entries.len() > IN_MEMORY / 2 && low < high {
                    return Ok(None);
                }
            }
        }
    }
}

/// Sorts, and forgets the occurrences that would not be listed.
fn thin(entries: &mut Vec<(u64, u32)>) {
    entries.sort_unstable();
    let mut current = None;
    let mut seen = 0;
    entries.retain(|(hash, _)| {
        seen = if current == Some(*hash) { seen + 1 } else { 1 };
        current = Some(*hash);
        seen <= OCCURRENCES
    });
}

fn report(entries: &mut Vec<(u64, u32)>, duplicates: &mut Duplicates) {
    thin(entries);
    for run in entries.chunk_by(|left, right| left.0 == right.0).filter(|run| run.len() > 1) {
        duplicates.total += 1;
        if let (true, Some((hash, _))) = (duplicates.found.len() < LISTED, run.first()) {
            let seqs = run.iter().map(|(_, seq)| *seq).collect();
            duplicates.found.push(DuplicateHash { hash: *hash, seqs });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_hash_once() {
        for count in [1, PER_RANGE, PER_RANGE + 1, 10_000_000] {
            let mut ranges = ranges(count);
            ranges.reverse();
            assert_eq!(ranges.first().unwrap().0, 0);
            assert_eq!(ranges.last().unwrap().1, u64::MAX);
            assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
        assert!(ranges(0).is_empty());
    }

    #[test]
    fn many_equal_ids_are_one_entry_with_few_places() {
        let mut entries: Vec<(u64, u32)> = (0..1000).map(|seq| (7, seq)).chain([(8, 1)]).collect();
        let mut duplicates = Duplicates::default();
        report(&mut entries, &mut duplicates);
        assert_eq!(duplicates.total, 1);
        assert_eq!(duplicates.found[0].seqs.len(), OCCURRENCES);
    }
}
