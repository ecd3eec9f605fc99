//! `$name$` templates. A name matches `[A-Za-z_][A-Za-z0-9_]{0,63}` between two dollars, `$$` is one
//! dollar, any other dollar stands for itself. Values are put in as they are and never rescanned.

use std::collections::BTreeSet;

use crate::content::{Body, Content, Ext, Template};
use crate::options::{Options, Push, Vars};

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text that stays.
    Text(&'t str),
    /// `$$`.
    Dollar,
    /// `$name$`, without its dollars.
    Placeholder(&'t str),
}

/// Cuts a template into its pieces.
#[must_use]
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    // Dollars before this are known to stand for themselves.
    let mut searched = 0;
    while let Some(dollar) =
        rest.get(searched..).and_then(|tail| tail.find('$')).map(|offset| searched + offset)
    {
        let after = rest.get(dollar + 1..).unwrap_or_default();
        let name = after.split_once('$').map(|(name, _)| name);
        let (piece, length) = match name {
            Some("") => (Piece::Dollar, 1),
            Some(name) if is_name(name) => (Piece::Placeholder(name), name.len() + 1),
            Some(_) | None => {
                searched = dollar + 1;
                continue;
            }
        };
        push_text(&mut pieces, rest.get(..dollar));
        pieces.push(piece);
        rest = after.get(length..).unwrap_or_default();
        searched = 0;
    }
    push_text(&mut pieces, Some(rest));
    pieces
}

fn push_text<'t>(pieces: &mut Vec<Piece<'t>>, text: Option<&'t str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        pieces.push(Piece::Text(text));
    }
}

/// Whether `name` may stand between dollars.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Puts the values in. A placeholder without a value stays as it stands.
#[must_use]
pub fn render(template: &str, vars: &Vars) -> String {
    let mut text = String::with_capacity(template.len() + 16);
    for piece in pieces(template) {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Dollar => text.push('$'),
            Piece::Placeholder(name) => match vars.get(name) {
                Some(value) => text.push_str(value),
                None => {
                    text.push('$');
                    text.push_str(name);
                    text.push('$');
                }
            },
        }
    }
    text
}

/// The names of all placeholders of a content and the push that goes with it.
#[must_use]
pub fn names<'m>(content: &'m Content, push: &'m Push) -> BTreeSet<&'m str> {
    let mut names = BTreeSet::new();
    let mut scan = |template: &'m str| {
        names.extend(pieces(template).into_iter().filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name),
            Piece::Text(_) | Piece::Dollar => None,
        }));
    };
    let texts = [content.readable(), push.title.as_deref(), push.body.as_deref(), push.ext.as_deref()];
    texts.into_iter().flatten().for_each(&mut scan);
    match &content.ext {
        Some(Ext::Text(text)) => scan(text),
        Some(Ext::Object(object)) => object.values().for_each(|value| each_string(value, &mut scan)),
        None => {}
    }
    names
}

fn each_string<'v>(value: &'v serde_json::Value, visit: &mut impl FnMut(&'v str)) {
    match value {
        serde_json::Value::String(text) => visit(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| each_string(item, visit)),
        serde_json::Value::Object(object) => object.values().for_each(|item| each_string(item, visit)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// The content with all values put in and its template switched off.
#[must_use]
pub fn render_content(content: &Content, vars: &Vars) -> Content {
    let mut rendered = content.clone();
    rendered.template = Template::Off;
    match &mut rendered.body {
        Body::Text(text) | Body::Markdown(text) | Body::Notice(text) | Body::Quote { text, .. } => {
            *text = render(text, vars);
        }
        Body::Image(_)
        | Body::Audio(_)
        | Body::Video(_)
        | Body::File(_)
        | Body::Location(_)
        | Body::Command { .. }
        | Body::Custom { .. }
        | Body::Raw { .. } => {}
    }
    match &mut rendered.ext {
        Some(Ext::Text(text)) => *text = render(text, vars),
        Some(Ext::Object(object)) => object.values_mut().for_each(|value| render_value(value, vars)),
        None => {}
    }
    rendered
}

fn render_value(value: &mut serde_json::Value, vars: &Vars) {
    match value {
        serde_json::Value::String(text) => *text = render(text, vars),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| render_value(item, vars)),
        serde_json::Value::Object(object) => object.values_mut().for_each(|item| render_value(item, vars)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// The options with all values put into the push's texts.
#[must_use]
pub fn render_options(options: &Options, vars: &Vars) -> Options {
    let mut rendered = options.clone();
    for text in
        [&mut rendered.push.title, &mut rendered.push.body, &mut rendered.push.ext].into_iter().flatten()
    {
        *text = render(text, vars);
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn placeholders_take_their_values() {
        let vars = vars(&[("name", "Ann"), ("no", "17")]);
        assert_eq!(render("Hi $name$, order $no$", &vars), "Hi Ann, order 17");
    }

    #[test]
    fn two_dollars_are_one_and_a_lone_dollar_is_itself() {
        let vars = vars(&[("a", "x")]);
        assert_eq!(render("$$a$$ costs $5 or 5$", &vars), "$a$ costs $5 or 5$");
        assert_eq!(render("$5 $a$", &vars), "$5 x");
        assert_eq!(render("$a b$a$", &vars), "$a bx");
    }

    #[test]
    fn values_are_never_rescanned() {
        assert_eq!(render("$a$", &vars(&[("a", "$b$"), ("b", "no")])), "$b$");
    }

    #[test]
    fn a_placeholder_without_a_value_stays() {
        assert_eq!(render("Hi $name$", &Vars::new()), "Hi $name$");
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_template(template in "[a$_1 é]{0,24}") {
            let mut back = String::new();
            for piece in pieces(&template) {
                match piece {
                    Piece::Text(text) => back.push_str(text),
                    Piece::Dollar => back.push_str("$$"),
                    Piece::Placeholder(name) => { back.push('$'); back.push_str(name); back.push('$'); }
                }
            }
            prop_assert_eq!(back, template);
        }

        #[test]
        fn a_value_stands_in_the_text_verbatim(value in ".{0,40}") {
            prop_assert_eq!(render("<$v$>", &vars(&[("v", &value)])), format!("<{value}>"));
        }
    }
}
