//! Ids that Interline makes. Time and chance come from the caller.

/// The id of a batch: `bat_` and 32 hex digits of a version-7 UUID, so that ids sort by time.
#[must_use]
pub fn batch_id(now_ms: i64, random: &[u8; 10]) -> String {
    let now_ms = u64::try_from(now_ms).unwrap_or_default();
    let uuid = uuid::Builder::from_unix_timestamp_millis(now_ms, random).into_uuid();
    format!("bat_{}", uuid.as_simple())
}

/// When a batch was made, by its id; none for what is no such id.
#[must_use]
pub fn made_ms(batch_id: &str) -> Option<i64> {
    let digits = batch_id.strip_prefix("bat_")?.get(..12)?;
    i64::from_str_radix(digits, 16).ok()
}

/// The stable hash of a caller's message id, as the ledger's index stores it.
#[must_use]
pub fn message_fingerprint(id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(id.as_bytes())
}

/// Interline's own number of a message: 63 bits, never zero, the same for as long as its batch is known. For
/// where a vendor's wire format promises a number and another vendor delivered.
#[must_use]
pub fn own_id(batch_id: &str, index: u64) -> i64 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(batch_id.as_bytes(), index);
    (hash >> 1).max(1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_ids_sort_by_time() {
        let earlier = batch_id(1_000, &[255; 10]);
        let later = batch_id(1_001, &[0; 10]);
        assert!(earlier < later && earlier.len() == 36, "{earlier} {later}");
    }

    #[test]
    fn a_batch_id_tells_when_it_was_made() {
        assert_eq!(made_ms(&batch_id(1_795_232_061_220, &[7; 10])), Some(1_795_232_061_220));
        assert_eq!((made_ms("bat_1"), made_ms("an id of somebody else")), (None, None));
    }

    #[test]
    fn own_ids_are_positive_and_belong_to_one_message() {
        let ids: std::collections::BTreeSet<i64> = ["bat_1", "bat_2"]
            .into_iter()
            .flat_map(|batch| (0..500).map(move |n| own_id(batch, n)))
            .collect();
        assert!(ids.len() == 1_000 && ids.first().is_some_and(|first| *first > 0));
        assert_eq!(own_id("bat_1", 7), own_id("bat_1", 7));
    }
}
