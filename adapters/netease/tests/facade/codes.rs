//! The README's table from Interline's codes to the vendor's, held against what is answered.

use std::collections::BTreeMap;

use interline_core::error::{ErrorCode, Failure, FieldError};
use interline_core::facade::Told;
use serde_json::Value;

use super::{BATCH, SINGLE, accepted, asked, rejected, render, room_batch, shown, single, unknown, users};

const README: &str = include_str!("../../README.md");

/// The rows: our code, and the vendor's in rooms and elsewhere.
fn table() -> BTreeMap<String, (String, String)> {
    let (_, section) = README.split_once("## The façade").unwrap();
    let (_, rows) = section.split_once("| our code | in rooms | elsewhere |").unwrap();
    let (rows, _) = rows.split_once("\n\n").unwrap();
    rows.lines()
        .filter(|row| row.starts_with("| `"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), cells[3].to_owned()))
        })
        .collect()
}

fn number(answer: &Value) -> String {
    match answer["code"].as_i64().unwrap() {
        200 => "`fail`".to_owned(),
        code => code.to_string(),
    }
}

#[test]
fn the_table_is_what_is_answered() {
    let table = table();
    assert_eq!(table.len(), ErrorCode::ALL.len(), "{table:?}");
    for code in ErrorCode::ALL {
        let (room, elsewhere) = &table[code.as_str()];
        let answer = render(asked(BATCH, &room_batch(&["m1"])), Ok(&[rejected(code)]));
        assert_eq!(number(&answer), *room, "{code} in rooms: {answer}");
        let answer = render(asked(SINGLE, &single()), Ok(&[rejected(code)]));
        assert_eq!(number(&answer), *elsewhere, "{code} elsewhere: {answer}");
    }
}

#[test]
fn nothing_sent_at_all_is_never_a_success() {
    for code in ErrorCode::ALL {
        let failure = Failure::not_sent(code, "nothing was sent");
        let requests = [(BATCH, room_batch(&["m1", "m2"])), (super::ROOM, flat()), (SINGLE, single())];
        for (path, fields) in requests.iter().chain([&(super::USERS, users(&["b", "c"]))]) {
            let answer = render(asked(path, fields), Err(&failure));
            assert_ne!(answer["code"], 200, "{code} at {path}");
            assert!(
                answer["desc"]
                    .as_str()
                    .is_some_and(|desc| desc.contains("nothing was sent") || desc.contains("RESEND"))
            );
        }
        let answer = shown(&(interline_netease::FACADE.fail)(&failure));
        assert_ne!(answer["code"], 200);
    }
}

fn flat() -> Value {
    serde_json::json!({"roomid": "1", "fromAccid": "a", "msgId": "m", "msgType": "0", "attach": "x"})
}

#[test]
fn what_nobody_knows_is_408_or_500_and_never_a_no() {
    for code in ErrorCode::ALL {
        let expected = if code == ErrorCode::Timeout { 408 } else { 500 };
        for (path, fields) in
            [(BATCH, room_batch(&["m1"])), (SINGLE, single()), (super::USERS, users(&["b"]))]
        {
            let answer = render(asked(path, &fields), Ok(&[unknown(code)]));
            assert_eq!(answer["code"], expected, "{code} at {path}");
        }
    }
}

#[test]
fn a_report_that_is_too_short_leaves_messages_open() {
    let answer = render(asked(BATCH, &room_batch(&["m1", "m2"])), Ok(&[accepted()]));
    assert_eq!(answer["success"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["fail"].as_array().map(Vec::len), Some(0));
    let none: [Told; 0] = [];
    assert_eq!(render(asked(SINGLE, &single()), Ok(&none))["code"], 500);
    assert_eq!(render(asked(super::USERS, &users(&["b"])), Ok(&none))["code"], 500);
}

#[test]
fn a_refusal_of_many_fields_stays_one_text() {
    let refusal = interline_core::error::Refusal {
        code: ErrorCode::InvalidMessage,
        errors: vec![FieldError::new("/to", "a"), FieldError::new("/content", "b")],
    };
    let answer = render(asked(SINGLE, &single()), Ok(&[super::failed(refusal.failure())]));
    assert_eq!(answer, serde_json::json!({"code": 414, "desc": "/to: a; /content: b"}));
}

#[test]
fn a_withdrawn_message_says_that_it_was_not_sent() {
    for (path, fields) in [(BATCH, room_batch(&["m1"])), (SINGLE, single()), (super::USERS, users(&["b"]))] {
        let answer = render(asked(path, &fields), Ok(&[super::withdrawn()]));
        assert_eq!(answer["code"], 503);
        assert!(answer["desc"].as_str().is_some_and(|desc| desc.starts_with("not sent: ")), "{answer}");
    }
}
