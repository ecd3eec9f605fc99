//! Who is told what became of a batch. Whether the place may be asked at all is decided when its name is
//! resolved; what can be told from its text is decided here.

use url::Url;

/// Longest URL, in bytes.
const MAX_URL: usize = 2_048;

/// Where an app is told what became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The URL, as its standard writes it.
    pub url: String,
    /// Also as messages become final or are revised.
    pub each: bool,
}

/// Reads where to tell.
///
/// # Errors
/// Why nothing can be told there.
pub fn read_url(text: &str) -> Result<String, String> {
    if text.len() > MAX_URL {
        return Err(format!("has {} bytes; allowed are {MAX_URL}", text.len()));
    }
    // The text may hold a secret, so it is not repeated.
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is no http or https URL".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or a password; callbacks are signed instead".to_owned());
    }
    if url.fragment().is_some() {
        return Err("holds a fragment (#…), which is never sent; leave it out".to_owned());
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_urls_are_taken() {
        assert_eq!(read_url("https://Example.com/a?b=c").unwrap(), "https://example.com/a?b=c");
        assert_eq!(read_url("http://[::1]:80").unwrap(), "http://[::1]/");
        for (text, said) in [
            ("", "no URL"),
            ("example.com/a", "no URL"),
            ("ftp://example.com", "http"),
            ("file:///etc/passwd", "http"),
            ("https://", "no URL"),
            ("https://u@example.com", "user name"),
            ("https://u:p@example.com", "password"),
            ("https://example.com/#a", "fragment"),
        ] {
            let error = read_url(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(read_url(&format!("https://a/{}", "x".repeat(MAX_URL))).is_err());
    }

    #[test]
    fn addresses_in_disguise_are_written_as_what_they_are() {
        for text in ["http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/"] {
            assert_eq!(read_url(text).unwrap(), "http://127.0.0.1/");
        }
    }
}
