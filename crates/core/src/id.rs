//! Ids that Interline makes. Time and chance come from the caller.

/// The id of a batch: `bat_` and 32 hex digits of a version-7 UUID, so that ids sort by time.
#[must_use]
pub fn batch_id(now_ms: i64, random: &[u8; 10]) -> String {
    let now_ms = u64::try_from(now_ms).unwrap_or_default();
    let uuid = uuid::Builder::from_unix_timestamp_millis(now_ms, random).into_uuid();
    format!("bat_{}", uuid.as_simple())
}

/// The stable hash of a caller's message id, as the ledger's index stores it.
#[must_use]
pub fn message_fingerprint(id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(id.as_bytes())
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
}
