//! How WuKongIM names the channel of two persons: both ids joined by `@`, the one with the larger
//! CRC-32 first. Callers need it for one lookup only, which makes it easy to get wrong.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// CRC-32 as IEEE 802.3 has it.
pub(crate) fn crc32(text: &str) -> u32 {
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        (crc >> 8) ^ TABLE[index]
    });
    !crc
}

/// The person channel between two users, equal for both directions (but for equal checksums).
pub(crate) fn joined(from: &str, to: &str) -> String {
    if crc32(from) > crc32(to) { format!("{from}@{to}") } else { format!("{to}@{from}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_crc32_ieee() {
        assert_eq!(crc32("123456789"), 0xcbf4_3926);
        assert_eq!(crc32(""), 0);
    }

    #[test]
    fn both_directions_name_one_channel_with_the_larger_checksum_first() {
        let channel = joined("alice", "bob");
        assert_eq!(channel, joined("bob", "alice"));
        let (first, second) = channel.split_once('@').unwrap();
        assert!(crc32(first) > crc32(second));
    }
}
