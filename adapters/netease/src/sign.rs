//! The four headers of every call. Neither path nor body is signed, and a signature holds for five
//! minutes: requests are signed when they are written, never earlier.

use interline_core::adapter::{Header, Request, Seal};
use sha1::{Digest, Sha1};

use crate::settings::Secret;

/// Lower-case hex of SHA-1 over secret, nonce and time, with nothing between them.
pub(crate) fn checksum(secret: &str, nonce: &str, cur_time: &str) -> String {
    hex::encode(Sha1::new().chain_update(secret).chain_update(nonce).chain_update(cur_time).finalize())
}

/// The headers. The time is in seconds.
pub(crate) fn headers(app_key: &str, secret: &Secret, seal: &Seal<'_>) -> Vec<Header> {
    let cur_time = seal.now_ms.div_euclid(1000).to_string();
    let checksum = checksum(secret.expose(), seal.nonce, &cur_time);
    let shown = |name, value: &str| Header { name, value: value.to_owned(), secret: false };
    vec![
        shown("AppKey", app_key),
        shown("Nonce", seal.nonce),
        shown("CurTime", &cur_time),
        Header { name: "CheckSum", value: checksum, secret: true },
    ]
}

/// Adds the headers.
pub(crate) fn sign(mut request: Request, app_key: &str, secret: &Secret, seal: &Seal<'_>) -> Request {
    request.headers.extend(headers(app_key, secret, seal));
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_sha1_of_secret_nonce_and_time() {
        let long = "a".repeat(128);
        let vectors = [
            ("0123456789ab", "12345", "1443592222", "f3fbbb54875520655c064c49e14365cfacfd8cbf"),
            (
                "0123456789ab",
                "4tgggergigwow323t23t",
                "1443592222",
                "2b3c3ba113c760606d5830e4d807ad8490040efd",
            ),
            (
                "go-secret-0001",
                "0123456789abcdef0123456789abcdef",
                "1700000000",
                "1dd998c7a7698e475121c8bc38e826d4b79689e6",
            ),
            ("0123456789ab", &long, "1767225600", "fc905f43e794daff2a8908452b4a24ec7bb19983"),
            ("0123456789ab", "", "1767225600", "63be6512f71afdb109e14cf77f60c3517e72e2fb"),
        ];
        for (secret, nonce, cur_time, expected) in vectors {
            assert_eq!(checksum(secret, nonce, cur_time), expected);
        }
    }
}
