//! Shares traffic out by weight, so that a recipient stays where they are: weighted rendezvous hashing.
//! Each provider draws a number for the recipient, from the recipient and its own name alone, and the
//! best number under the weights wins. When weights change, only those recipients move whose winner
//! changed: from 90:10 to 80:20 one in ten, and all of them in the one direction; a provider that is added
//! takes its part from the others, and moves nobody between them.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The provider of a recipient; none where nobody has any weight.
pub(super) fn pick(shares: &[(Arc<str>, u32)], recipient: u64) -> Option<&Arc<str>> {
    let scores = shares
        .iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(provider, weight)| (score(provider, *weight, recipient), provider));
    scores.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, provider)| provider)
}

/// The time until the first event of a stream of `weight` events: whose comes first is chosen in
/// proportion to the weights.
fn score(provider: &str, weight: u32, recipient: u64) -> f64 {
    let drawn = xxh3_64_with_seed(provider.as_bytes(), recipient);
    // The upper 53 bits are a number between 0 and 1, and neither of them.
    let chance = ((drawn >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -chance.ln() / f64::from(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPIENTS: u64 = 20_000;

    fn shares(weights: &[(&str, u32)]) -> Vec<(Arc<str>, u32)> {
        weights.iter().map(|(name, weight)| (Arc::from(*name), *weight)).collect()
    }

    /// Recipients by provider before and after, in percent.
    fn moved(before: &[(&str, u32)], after: &[(&str, u32)]) -> Vec<((String, String), f64)> {
        let (before, after) = (shares(before), shares(after));
        let mut counts = std::collections::BTreeMap::new();
        for number in 0..RECIPIENTS {
            let recipient = xxh3_64_with_seed(b"user", number);
            let pair = [&before, &after].map(|shares| pick(shares, recipient).unwrap().to_string());
            let [from, to] = pair;
            *counts.entry((from, to)).or_insert(0u32) += 1;
        }
        counts.into_iter().map(|(pair, count)| (pair, f64::from(count) * 100.0 / RECIPIENTS as f64)).collect()
    }

    fn part(moved: &[((String, String), f64)], from: &str, to: &str) -> f64 {
        let found = moved.iter().find(|((one, other), _)| one == from && other == to);
        found.map_or(0.0, |(_, percent)| *percent)
    }

    #[test]
    fn shares_follow_the_weights() {
        let same = moved(&[("a", 90), ("b", 10)], &[("a", 900), ("b", 100)]);
        assert_eq!(same.len(), 2, "equal proportions are equal shares: {same:?}");
        assert!((9.0..11.0).contains(&part(&same, "b", "b")), "{same:?}");
    }

    #[test]
    fn more_weight_moves_the_difference_and_nobody_back() {
        let moved = moved(&[("a", 90), ("b", 10)], &[("a", 80), ("b", 20)]);
        assert!((9.0..11.0).contains(&part(&moved, "a", "b")), "{moved:?}");
        assert!(part(&moved, "b", "a") == 0.0, "{moved:?}");
    }

    #[test]
    fn a_provider_that_is_added_moves_nobody_between_the_others() {
        let moved = moved(&[("a", 60), ("b", 30)], &[("a", 60), ("b", 30), ("c", 10)]);
        assert!(part(&moved, "a", "b") == 0.0 && part(&moved, "b", "a") == 0.0, "{moved:?}");
        assert!((9.0..11.0).contains(&(part(&moved, "a", "c") + part(&moved, "b", "c"))), "{moved:?}");
    }

    #[test]
    fn who_has_no_weight_gets_nobody() {
        assert!(pick(&shares(&[("a", 0)]), 1).is_none());
        assert_eq!(&**pick(&shares(&[("a", 0), ("b", 1)]), 1).unwrap(), "b");
    }
}
