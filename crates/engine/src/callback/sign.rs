//! Signs callbacks as the Standard Webhooks specification says.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::settings::Secret;

/// The header `webhook-signature`: one signature a secret.
pub(super) fn signatures(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signed = secrets.iter().filter_map(|secret| {
        // A key may have any length.
        let mut code = Hmac::<Sha256>::new_from_slice(secret.bytes()).ok()?;
        code.update(format!("{id}.{timestamp}.").as_bytes());
        code.update(body);
        Some(format!("v1,{}", BASE64_STANDARD.encode(code.finalize().into_bytes())))
    });
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_specification() {
        // The example of the specification's reference libraries.
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let secrets =
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "plain text"].map(|text| Secret::read(text).unwrap());
        let both = signatures(&secrets, "a", 1, b"{}");
        let alone: Vec<String> =
            secrets.iter().map(|secret| signatures(std::slice::from_ref(secret), "a", 1, b"{}")).collect();
        assert_eq!(both, alone.join(" "));
    }

    #[test]
    fn what_is_no_base64_is_refused_and_never_repeated() {
        for text in ["whsec_", "whsec_!!!"] {
            assert!(!Secret::read(text).unwrap_err().contains('!'));
        }
        assert!(!format!("{:?}", Secret::read("plain text").unwrap()).contains("plain"));
    }
}
