//! `$name$` templates as the batch fills them, per recipient, in `message` and `extra`.
//!
//! A placeholder without a value stays as it stands, and a value is never looked at again.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Fills the placeholders that the entry has a value for.
pub(crate) fn render<'a>(template: &'a str, values: &Map<String, Value>) -> Cow<'a, str> {
    if !template.contains('$') || !values.keys().any(|name| name.starts_with('$')) {
        return Cow::Borrowed(template);
    }
    let mut rendered = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, from_dollar)) = split_at_dollar(rest) {
        rendered.push_str(before);
        let filled = values.iter().find_map(|(name, value)| {
            let placeholder = name.len() > 2 && name.starts_with('$') && name.ends_with('$');
            let after = from_dollar.strip_prefix(name.as_str()).filter(|_| placeholder)?;
            Some((value.as_str()?, after))
        });
        match filled {
            Some((value, after)) => {
                rendered.push_str(value);
                rest = after;
            }
            None => {
                rendered.push('$');
                rest = from_dollar.strip_prefix('$').unwrap_or_default();
            }
        }
    }
    rendered.push_str(rest);
    Cow::Owned(rendered)
}

fn split_at_dollar(text: &str) -> Option<(&str, &str)> {
    text.find('$').and_then(|at| text.split_at_checked(at))
}

/// Fills placeholders in every string of a JSON value.
pub(crate) fn render_value(value: &Value, values: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => Value::String(render(text, values).into_owned()),
        Value::Array(list) => list.iter().map(|item| render_value(item, values)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, item)| (name.clone(), render_value(item, values))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str, values: &Value) -> String {
        render(template, values.as_object().unwrap()).into_owned()
    }

    #[test]
    fn every_occurrence_is_filled() {
        let values = json!({"receiver": "u", "$name$": "Ann", "$no$": "17"});
        assert_eq!(filled("Hi $name$, $no$ for $name$", &values), "Hi Ann, 17 for Ann");
    }

    #[test]
    fn a_value_is_not_filled_again() {
        let values = json!({"$a$": "$b$", "$b$": "x"});
        assert_eq!(filled("$a$ $b$", &values), "$b$ x");
    }

    #[test]
    fn a_placeholder_without_a_value_stays() {
        assert_eq!(filled("costs $5, $who$ 中$名$", &json!({"$名$": "李"})), "costs $5, $who$ 中李");
    }
}
