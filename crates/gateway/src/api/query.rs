//! Query parameters. One that is unknown, twice there or out of range is an error that says what is
//! allowed: a filter that was mistyped must not look like an empty answer.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::problem::Problem;

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    pub(super) fn of(text: Option<&'q str>, allowed: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(Cow<'q, str>, Cow<'q, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if !allowed.contains(&&*name) {
                let detail = match allowed {
                    [] => "unknown parameter; none are allowed here".to_owned(),
                    names => format!("unknown parameter; allowed here: {}", names.join(", ")),
                };
                return Err(Problem::parameter(&name, detail));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Problem::parameter(&name, "stands twice"));
            }
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        Ok(Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(super) fn whole(&self, name: &str, allowed: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        let detail = || {
            format!(
                "{text:?} is not allowed; allowed is a whole number from {} to {}",
                allowed.start(),
                allowed.end()
            )
        };
        number.map(Some).ok_or_else(|| Problem::parameter(name, detail()))
    }

    /// The size of a page.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.whole("limit", 1..=1_000)?.unwrap_or(100);
        Ok(usize::try_from(limit).unwrap_or(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_named_with_what_is() {
        let query = |text| Query::of(Some(text), &["limit", "state"]);
        let text = |problem: Problem| format!("{problem:?}");
        assert!(text(query("stat=queued").unwrap_err()).contains("limit, state"));
        assert!(text(query("limit=1&limit=2").unwrap_err()).contains("twice"));
        assert!(text(query("limit=0").unwrap().limit().unwrap_err()).contains("1 to 1000"));
        assert_eq!(query("state=a%20b&limit=7").unwrap().limit().unwrap(), 7);
        assert_eq!(query("state=a%20b").unwrap().get("state"), Some("a b"));
        assert_eq!(query("limit=").unwrap().limit().unwrap(), 100);
    }
}
