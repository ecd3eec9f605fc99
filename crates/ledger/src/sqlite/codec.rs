//! How lists are laid out in blobs: statuses a byte each, places as little-endian `u16`, hashes as sorted
//! little-endian `u64`. Apart because writer and readers must agree on it for as long as files live.

use crate::error::{Error, ErrorKind, Result};
use crate::model::BatchState;
use interline_core::outcome::Status;

pub(super) fn states_to_blob(states: &[Status]) -> Vec<u8> {
    states.iter().map(|status| *status as u8).collect()
}

pub(super) fn states_from_blob(blob: &[u8]) -> Result<Vec<Status>> {
    blob.iter().map(|byte| Status::from_byte(*byte).ok_or_else(|| corrupt("message status", byte))).collect()
}

pub(super) fn batch_state(number: i64) -> Result<BatchState> {
    BatchState::from_number(number).ok_or_else(|| corrupt("batch state", number))
}

pub(super) fn indexes_to_blob(indexes: &[u16]) -> Vec<u8> {
    indexes.iter().flat_map(|index| index.to_le_bytes()).collect()
}

pub(super) fn indexes_from_blob(blob: &[u8]) -> Vec<u16> {
    blob.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect()
}

pub(super) fn hashes_to_blob(hashes: &[u64]) -> Vec<u8> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    sorted.iter().flat_map(|hash| hash.to_le_bytes()).collect()
}

/// The hashes of a sorted blob, lowest first.
pub(super) fn hashes(blob: &[u8]) -> impl Iterator<Item = u64> {
    blob.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Whether a sorted blob holds the hash.
pub(super) fn contains_hash(blob: &[u8], hash: u64) -> bool {
    let chunks: &[[u8; 8]] = blob.as_chunks().0;
    chunks.binary_search_by_key(&hash, |bytes| u64::from_le_bytes(*bytes)).is_ok()
}

/// The hashes of a sorted blob that are `low` or more and `high` or less.
pub(crate) fn hashes_between(blob: &[u8], low: u64, high: u64) -> impl Iterator<Item = u64> {
    let chunks: &[[u8; 8]] = blob.as_chunks().0;
    let start = chunks.partition_point(|bytes| u64::from_le_bytes(*bytes) < low);
    hashes(blob).skip(start).take_while(move |hash| *hash <= high)
}

/// A stored count or place as the type the model uses.
pub(super) fn narrow<T: TryFrom<i64>>(number: i64, what: &'static str) -> Result<T> {
    T::try_from(number).map_err(|_| corrupt(what, number))
}

/// Row ids as the JSON array that `json_each` takes.
pub(super) fn id_list(ids: &[i64]) -> String {
    serde_json::Value::from(ids).to_string()
}

fn corrupt(what: &'static str, value: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, "cannot read ledger row").with(what, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_found_whatever_their_order() {
        let blob = hashes_to_blob(&[u64::MAX, 0, 300, 256]);
        assert!([0, 256, 300, u64::MAX].into_iter().all(|hash| contains_hash(&blob, hash)));
        assert!(!contains_hash(&blob, 1));
        assert_eq!(hashes_between(&blob, 1, 300).collect::<Vec<_>>(), [256, 300]);
    }

    #[test]
    fn unknown_status_byte_is_corrupt_not_a_guess() {
        let error = states_from_blob(&[0, 7]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn indexes_survive() {
        assert_eq!(indexes_from_blob(&indexes_to_blob(&[0, 255, 256])), [0, 255, 256]);
    }
}
