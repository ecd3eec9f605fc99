//! Text as HTML. Whatever comes from the document goes through here.

/// Text as it stands.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}

/// Text in which what stands between backticks is code.
pub(super) fn line(text: &str) -> String {
    let pieces = text.split('`').enumerate().map(|(place, piece)| {
        if place % 2 == 1 { format!("<code>{}</code>", plain(piece)) } else { plain(piece) }
    });
    pieces.collect::<String>().replace('\n', "<br>")
}

/// The same in paragraphs, which empty lines part.
pub(super) fn paragraphs(text: &str) -> String {
    text.split("\n\n").filter(|part| !part.is_empty()).map(|part| format!("<p>{}</p>", line(part))).collect()
}

/// A block of code that can be scrolled to by keyboard.
pub(super) fn code(label: &str, text: &str) -> String {
    format!("<pre tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</pre>", plain(label), plain(text))
}

/// A table under a row of names; cells are HTML already.
pub(super) fn table(caption: &str, names: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = names.iter().map(|name| format!("<th scope=\"col\">{}</th>", plain(name))).collect();
    let body: String = rows
        .iter()
        .map(|cells| {
            let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
            format!("<tr>{cells}</tr>")
        })
        .collect();
    let caption = plain(caption);
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption>{caption}</caption>\
         <thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_document_becomes_markup() {
        assert_eq!(line("a `b<c>` & \"d\""), "a <code>b&lt;c&gt;</code> &amp; &quot;d&quot;");
        assert_eq!(paragraphs("a\n\nb\nc"), "<p>a</p><p>b<br>c</p>");
    }
}
