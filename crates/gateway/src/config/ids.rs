//! Reads `[providers.NAME.ids]`: patterns, and tables in files of two columns. A table is checked line by line:
//! it has to go both ways.

use std::path::Path;
use std::sync::Arc;

use figment::value::Value;
use interline_core::ids::{Ids, Pattern, Rule, Table as Pairs};

use super::file::Table;
use super::{Looks, look};

/// The first line of every table.
const HEADER: [&str; 2] = ["app", "vendor"];
/// Wrong lines that are listed of one table.
const LISTED: usize = 20;

/// Reads how ids are mapped. Files are looked for beside the configuration; all that are named are noted in
/// `files`.
pub(super) fn ids(provider: &Table<'_>, files: &mut Looks) -> Ids {
    let Some(table) = provider.table("ids") else { return Ids::default() };
    let ids = Ids {
        user: rule(&table, "user", files),
        group: rule(&table, "group", files),
        room: rule(&table, "room", files),
    };
    table.done();
    ids
}

fn rule(table: &Table<'_>, key: &str, files: &mut Looks) -> Rule {
    match table.get(key) {
        None => Rule::Same,
        Some(Value::Dict(..)) => {
            let Some(own) = table.table(key) else { return Rule::Same };
            let name = own.required("file");
            let keeps = own.one_of("on_missing", &[("reject", false), ("keep", true)]).unwrap_or(false);
            let rule = name.and_then(|name| read(&own, &name, keeps, files));
            own.done();
            rule.map_or(Rule::Same, |pairs| Rule::Table(Arc::new(pairs)))
        }
        Some(_) => {
            let Some(text) = table.string(key) else { return Rule::Same };
            match Pattern::read(&text) {
                // A pattern that changes nothing is none.
                Ok(_) if text == "{id}" => Rule::Same,
                Ok(pattern) => Rule::Pattern(pattern),
                Err(why) => {
                    table.wrong(key, format!("{why}; write a pattern, or {{ file = \"users.csv\" }}"));
                    Rule::Same
                }
            }
        }
    }
}

fn read(table: &Table<'_>, name: &str, keeps: bool, files: &mut Looks) -> Option<Pairs> {
    let beside = Path::new(table.source().file()).parent().unwrap_or(Path::new(""));
    let path = beside.join(name);
    files.insert(path.clone(), look(&path));
    let rows = match rows(&path) {
        Ok(rows) => rows,
        Err(why) => {
            table.wrong("file", format!("{}: {why}", path.display()));
            return None;
        }
    };
    let pairs = rows.iter().map(|(line, app, vendor)| (*line, &**app, &**vendor));
    match Pairs::new(name, keeps, pairs) {
        Ok(pairs) => Some(pairs),
        Err(wrong) => {
            for why in wrong.iter().take(LISTED) {
                table.wrong("file", format!("{} {why}", path.display()));
            }
            if let Some(more) = wrong.len().checked_sub(LISTED).filter(|more| *more > 0) {
                table.wrong("file", format!("{}: and {more} more lines like these", path.display()));
            }
            None
        }
    }
}

fn rows(path: &Path) -> Result<Vec<(u64, String, String)>, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().map_err(|error| error.to_string())?;
    if header.iter().map(str::trim).ne(HEADER) {
        return Err(format!("the first line has to read {}", HEADER.join(",")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != HEADER.len() {
            return Err(format!("line {line}: {} columns, not {}", record.len(), HEADER.len()));
        }
        let field = |at| record.get(at).unwrap_or_default().trim().to_owned();
        rows.push((line, field(0), field(1)));
    }
    Ok(rows)
}
