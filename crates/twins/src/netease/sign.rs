//! The four signed headers. The body is not signed, and a bad signature has the same code as a bad
//! parameter.

use sha1::{Digest, Sha1};

use super::form::Refused;
use crate::call::Call;

const APP_KEY: &str = "twin-app-key";
const APP_SECRET: &str = "twin-app-secret";
/// A signature holds for five minutes; clocks that run ahead are granted the same.
const VALIDITY_S: u64 = 300;

/// Checks the headers of a call.
pub(crate) fn verify(call: &Call<'_>) -> Result<(), Refused> {
    let (nonce, cur_time) = (call.header("nonce"), call.header("curtime"));
    let named = call.header("appkey") == APP_KEY && !nonce.is_empty() && nonce.len() <= 128;
    let fresh = cur_time.parse::<u64>().is_ok_and(|then| then.abs_diff(call.now_ms / 1000) <= VALIDITY_S);
    if named && fresh && call.header("checksum") == checksum(APP_SECRET, nonce, cur_time) {
        return Ok(());
    }
    Err(Refused::new(414, "bad http header"))
}

/// Lower-case hex of SHA-1 over the plain concatenation.
fn checksum(secret: &str, nonce: &str, cur_time: &str) -> String {
    let digest = Sha1::new().chain_update(secret).chain_update(nonce).chain_update(cur_time).finalize();
    hex::encode(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_sha1_of_secret_nonce_and_seconds() {
        let known = [
            ("0123456789ab", "12345", "1443592222", "f3fbbb54875520655c064c49e14365cfacfd8cbf"),
            (
                "0123456789ab",
                "4tgggergigwow323t23t",
                "1443592222",
                "2b3c3ba113c760606d5830e4d807ad8490040efd",
            ),
            ("0123456789ab", "", "1767225600", "63be6512f71afdb109e14cf77f60c3517e72e2fb"),
        ];
        for (secret, nonce, cur_time, expected) in known {
            assert_eq!(checksum(secret, nonce, cur_time), expected);
        }
    }
}
