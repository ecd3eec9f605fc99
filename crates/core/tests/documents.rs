//! What the documents say is what the code does. `BLESS=1` writes the code's version into them.

use std::path::Path;

const BEGIN: &str =
    "<!-- decisions: written by `BLESS=1 cargo test -p interline-core --test documents` -->\n";
const END: &str = "<!-- decisions end -->\n";

#[test]
fn the_ledgers_document_holds_the_table_of_decisions() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LEDGER.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("docs/LEDGER.md lacks the marker before the table");
    let (written, after) = rest.split_once(END).expect("docs/LEDGER.md lacks the marker behind the table");
    let rendered = format!("\n{}\n", interline_core::decide::table());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{rendered}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        written, rendered,
        "docs/LEDGER.md tells something else than interline_core::decide::table(); \
         to write it anew: BLESS=1 cargo test -p interline-core --test documents"
    );
}
