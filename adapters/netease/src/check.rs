//! What can never be sent, by the vendor's rules, and what would be lost on the way.

use interline_core::adapter::Loss;
use interline_core::content::Content;
use interline_core::error::{ErrorCode, Refusal};
use interline_core::message::Message;
use interline_core::options::{Options, Results};
use interline_core::read::{Path, Problems};

use crate::VENDOR_NAME;
use crate::content::{ext_text, payload};
use crate::extensions::{self, Extensions};
use crate::limits::{
    ACCID, ATTACH, BODY, BROADCAST_BODY, DIRECTED, EXT, PAYLOAD, PUSH_CONTENT, ROOM_EXT, at_most,
};
use crate::route::Route;
use crate::settings::Account;
use crate::{content, delivery};

/// Checks a message; the result is what would be lost.
pub(crate) fn check(account: &Account, message: &Message, results: Results) -> Result<Vec<Loss>, Refusal> {
    let route = Route::of(message, results);
    if route == Route::Broadcast && !account.everyone {
        let detail = "the provider sends no broadcasts; set `everyone = true` to allow them";
        return Err(Refusal::new(ErrorCode::Unsupported, "/to", detail));
    }
    let sender = message.sender(account.default_sender.as_ref())?;
    let (written, options) = (message.rendered(), message.rendered_options());
    let map = message.extension(VENDOR_NAME);
    let mut problems = Problems::default();
    let extensions = Extensions::read(map, &mut problems);
    at_most(&sender.id, ACCID, "/from", &mut problems);
    recipient(message, route, &mut problems);
    if matches!(route, Route::Single | Route::Users) {
        push(&options, &mut problems);
    }
    ext(&written, route, &mut problems);
    if !problems.is_empty() {
        return Err(Refusal { code: ErrorCode::InvalidMessage, errors: problems.into_parts().0 });
    }
    let payload = payload(&written, route, extensions.msg_type)?;
    size(&written, route, &payload.text)?;
    let mut losses = delivery::losses(message, sender, (&written, &options), route);
    content::losses(&written, extensions.msg_type, &mut losses);
    losses.extend(extensions::losses(map, route));
    Ok(losses)
}

/// Whether this is a room's id: a positive 64-bit integer in its shortest form.
pub(crate) fn is_room_id(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|id| id > 0 && id.to_string() == text)
}

fn recipient(message: &Message, route: Route, problems: &mut Problems) {
    let id = message.to.id();
    match route {
        Route::Room | Route::Directed if !is_room_id(id) => {
            problems.add(&Path::Root("/to"), format!("{id:?} is no room id; expected a 64-bit integer"));
        }
        Route::Room | Route::Directed | Route::Broadcast => {}
        Route::Single | Route::Users => at_most(id, ACCID, "/to", problems),
    }
    if route == Route::Directed {
        audience(message.options.audience.as_deref().unwrap_or_default(), problems);
    }
}

fn audience(users: &[String], problems: &mut Problems) {
    const AT: &str = "/options/audience/users";
    if !(1..=DIRECTED).contains(&users.len()) {
        let detail = format!("names {} users; allowed are 1 to {DIRECTED}", users.len());
        problems.add(&Path::Root(AT), detail);
    }
    for (index, user) in (0u64..).zip(users) {
        at_most(user, ACCID, &Path::Index(&Path::Root(AT), index).to_string(), problems);
    }
}

fn push(options: &Options, problems: &mut Problems) {
    if !options.wants_push() {
        return;
    }
    at_most(options.push.body.as_deref().unwrap_or_default(), PUSH_CONTENT, "/options/push/body", problems);
    at_most(
        delivery::push_payload(&options.push).unwrap_or_default(),
        PAYLOAD,
        "/options/push/ext",
        problems,
    );
}

fn ext(content: &Content, route: Route, problems: &mut Problems) {
    let most = match route {
        Route::Room | Route::Directed => ROOM_EXT,
        Route::Single | Route::Users => EXT,
        Route::Broadcast => return,
    };
    if let Some(ext) = &content.ext {
        at_most(&ext_text(ext), most, "/content/ext", problems);
    }
}

fn size(content: &Content, route: Route, text: &str) -> Result<(), Refusal> {
    let most = match route {
        Route::Room | Route::Directed => ATTACH,
        Route::Single | Route::Users => BODY,
        Route::Broadcast => BROADCAST_BODY,
    };
    let path = if content.readable().is_some() { "/content/text" } else { "/content" };
    let mut problems = Problems::default();
    at_most(text, most, path, &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Refusal { code: ErrorCode::TooLarge, errors: problems.into_parts().0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_is_a_positive_64_bit_integer() {
        for good in ["1", "765788", "9223372036854775807"] {
            assert!(is_room_id(good), "{good}");
        }
        for bad in ["", "0", "-1", "+1", "007", "1.0", "1e3", "9223372036854775808", "lobby", " 1"] {
            assert!(!is_room_id(bad), "{bad}");
        }
    }
}
