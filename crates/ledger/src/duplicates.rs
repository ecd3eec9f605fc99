//! Finding message ids that occur twice in a batch of any length, in bounded memory.
//!
//! A first pass over all hashes marks one bit for each and notes which bits were marked twice; hashes on
//! other bits are alone. Those that are left are looked at range by range, each range small enough to be
//! sorted in memory. A range that turns out too full is halved.

use crate::error::Result;
use crate::sqlite::{CountIds, IdsAfter, Store, hashes_between};

/// Hashes held at a time.
const IN_MEMORY: usize = 256 * 1024;
/// Hashes expected in a range; the rest is room for chance.
const PER_RANGE: u64 = 200_000;
/// Bits of the first pass, for each hash and at most: 2 x 16 MiB.
const BITS_PER_HASH: u64 = 16;
const MOST_BITS: u64 = 1 << 27;

/// The hashes that occur more than once, in order from `from` on; whole ranges, until there are `most`.
pub(crate) async fn hashes_from(store: &Store, batch_id: &str, from: u64, most: usize) -> Result<Vec<u64>> {
    let sieve = Sieve::of(store, batch_id, from).await?;
    let mut found = Vec::new();
    let mut ranges = ranges(sieve.suspects);
    while let Some((low, high)) = ranges.pop().filter(|_| found.len() < most) {
        if high < from {
            continue;
        }
        let low = low.max(from);
        match collect(Pages::new(store, batch_id), &sieve, (low, high)).await? {
            Some(mut entries) => {
                thin(&mut entries);
                let runs = entries.chunk_by(|left, right| left == right).filter(|run| run.len() > 1);
                found.extend(runs.filter_map(|run| run.first()));
            }
            None => {
                let middle = low + (high - low) / 2;
                ranges.push((middle + 1, high));
                ranges.push((low, middle));
            }
        }
    }
    Ok(found)
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

/// The id lists of a batch, a few hundred parcels at a time.
struct Pages<'a> {
    store: &'a Store,
    batch_id: &'a str,
    after_seq: Option<u32>,
}

impl<'a> Pages<'a> {
    fn new(store: &'a Store, batch_id: &'a str) -> Self {
        Self { store, batch_id, after_seq: None }
    }

    async fn next(&mut self) -> Result<Option<Vec<(u32, Vec<u8>)>>> {
        let wanted = IdsAfter { batch_id: self.batch_id.to_owned(), after_seq: self.after_seq };
        let page = self.store.read(wanted).await?;
        let Some((last, _)) = page.last() else {
            return Ok(None);
        };
        self.after_seq = Some(*last);
        Ok(Some(page))
    }
}

/// Which hashes may occur more than once.
struct Sieve {
    once: Vec<u64>,
    twice: Vec<u64>,
    mask: u64,
    /// About how many hashes share a bit with another.
    suspects: u64,
}

impl Sieve {
    fn new(hashes: u64) -> Self {
        let bits = hashes.saturating_mul(BITS_PER_HASH).clamp(64, MOST_BITS).next_power_of_two();
        let words = vec![0; usize::try_from(bits / 64).unwrap_or(1)];
        Self { once: words.clone(), twice: words, mask: bits - 1, suspects: 0 }
    }

    /// Marks all hashes of a batch from `from` on.
    async fn of(store: &Store, batch_id: &str, from: u64) -> Result<Self> {
        let mut sieve = Self::new(store.read(CountIds { batch_id: batch_id.to_owned() }).await?);
        let mut pages = Pages::new(store, batch_id);
        while let Some(page) = pages.next().await? {
            for (_, ids) in &page {
                hashes_between(ids, from, u64::MAX).for_each(|hash| sieve.mark(hash));
            }
        }
        Ok(sieve)
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let bit = hash & self.mask;
        (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64))
    }

    fn mark(&mut self, hash: u64) {
        let (word, bit) = self.place(hash);
        if self.once[word] & bit != 0 {
            self.twice[word] |= bit;
            self.suspects += 2;
        }
        self.once[word] |= bit;
    }

    fn suspects(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.twice[word] & bit != 0
    }
}

/// The suspect hashes of a range, or `None` if they are too many to hold.
async fn collect(mut pages: Pages<'_>, sieve: &Sieve, (low, high): (u64, u64)) -> Result<Option<Vec<u64>>> {
    let mut entries = Vec::new();
    while let Some(page) = pages.next().await? {
        for (_, ids) in &page {
            let suspects = hashes_between(ids, low, high).filter(|hash| sieve.suspects(*hash));
            entries.extend(suspects);
            if entries.len() > IN_MEMORY {
                thin(&mut entries);
                if entries.len() > IN_MEMORY / 2 && low < high {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(entries))
}

/// Sorts, and forgets what occurs a third time: two are enough to tell.
fn thin(entries: &mut Vec<u64>) {
    entries.sort_unstable();
    let mut current = None;
    let mut seen = 0;
    entries.retain(|hash| {
        seen = if current == Some(*hash) { seen + 1 } else { 1 };
        current = Some(*hash);
        seen <= 2
    });
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
    fn sieve_suspects_every_hash_that_came_twice() {
        let mut sieve = Sieve::new(1000);
        (0..1000_u64)
            .chain([3, 999])
            .for_each(|number| sieve.mark(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!([3, 999_u64].iter().all(|number| sieve.suspects(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
        assert!(sieve.suspects < 400, "{}", sieve.suspects);
        assert_eq!(Sieve::new(u64::MAX).once.len() as u64 * 64, MOST_BITS);
        assert_eq!(Sieve::new(0).once.len(), 1);
    }

    #[test]
    fn many_equal_ids_take_the_room_of_two() {
        let mut entries: Vec<u64> = std::iter::repeat_n(7, 1000).chain([8]).collect();
        thin(&mut entries);
        assert_eq!(entries, [7, 7, 8]);
    }
}
