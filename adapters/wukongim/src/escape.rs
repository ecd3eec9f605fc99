//! What JSON strings have to escape. Ids hardly ever do, and every message has several: looking for it
//! sixteen bytes at a time is most of what reading and writing them costs.

/// How many bytes are looked at together: what processors compare at once.
const TOGETHER: usize = 16;

/// The length of the longest beginning in which nothing ends a JSON string or is escaped there.
pub(crate) fn plain(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<TOGETHER>();
    // No early return inside a chunk: only so it is one comparison of all its bytes.
    let special = |chunk: &[u8; TOGETHER]| chunk.iter().fold(false, |found, byte| found | is_special(*byte));
    let start = chunks.iter().take_while(|chunk| !special(chunk)).count() * TOGETHER;
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_beginning_ends_at_the_first_special_byte() {
        for length in 0..70 {
            let mut bytes = vec![b'~'; length];
            assert_eq!(plain(&bytes), length);
            for special in [b'"', b'\\', 0, 0x1f] {
                for at in 0..length {
                    bytes[at..].fill(special);
                    assert_eq!(plain(&bytes), at);
                    bytes[at..].fill(0xff);
                    assert_eq!(plain(&bytes), length);
                }
            }
        }
    }
}
