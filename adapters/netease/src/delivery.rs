//! Canonical options in the vendor's terms: the switches of messages to users and teams, the life of a
//! broadcast, and what of the options a route has no place for.

use interline_core::adapter::Loss;
use interline_core::content::Content;
use interline_core::message::Message;
use interline_core::options::{Options, Push, Sender};
use interline_core::recipient::RecipientKind;

use crate::extensions::Extensions;
use crate::limits::BROADCAST_HOURS;
use crate::route::Route;
use crate::wire::Switches;

const HOUR_MS: u128 = 3_600_000;

/// The `option` switches. The vendor's default is `true` for all of them; the sender's own devices
/// are the one place where ours is not.
pub(crate) fn switches(options: &Options, extensions: &Extensions) -> Switches {
    let Extensions { extras, flags, .. } = extensions;
    let off = |wanted: bool| (!wanted).then_some(false);
    Switches {
        push: off(options.wants_push()),
        roam: extras.roam.or_else(|| off(options.wants_store())),
        history: off(options.wants_store()),
        sendersync: options.sync_sender,
        route: flags.route.map(|route| route == 1),
        badge: off(options.badge),
        persistent: off(!options.online_only),
        need_push_nick: extras.need_push_nick,
        session_update: extras.session_update,
    }
}

/// How long a broadcast waits for users who are offline, in whole hours; none is the vendor's default.
pub(crate) fn broadcast_hours(options: &Options) -> Option<u64> {
    if options.ttl.is_zero() || options.online_only {
        return None;
    }
    let hours = u64::try_from(options.ttl.as_millis().div_ceil(HOUR_MS)).unwrap_or(BROADCAST_HOURS);
    Some(hours.min(BROADCAST_HOURS))
}

fn ttl_is_exact(options: &Options) -> bool {
    let hours = broadcast_hours(options).map(u128::from);
    options.ttl.is_zero() || hours.map(|hours| hours * HOUR_MS) == Some(options.ttl.as_millis())
}

/// Whether mentions become the vendor's forced push, which teams alone have.
pub(crate) fn forces_push(message: &Message, options: &Options) -> bool {
    message.to.kind() == RecipientKind::Group && options.wants_push()
}

/// What a push carries for the app. The vendor takes JSON alone; other vendors' apps write anything, and a
/// message is worth more than that.
pub(crate) fn push_payload(push: &Push) -> Option<&str> {
    push.ext.as_deref().filter(|ext| serde_json::from_str::<serde::de::IgnoredAny>(ext).is_ok())
}

/// What of sender, options and mentions would be lost.
pub(crate) fn losses(
    message: &Message,
    sender: &Sender,
    (content, options): (&Content, &Options),
    route: Route,
) -> Vec<Loss> {
    let rooms = matches!(route, Route::Room | Route::Directed);
    let direct = matches!(route, Route::Single | Route::Users);
    let broadcast = route == Route::Broadcast;
    let push = options.wants_push().then_some(&options.push);
    let push_says = |says: fn(&Push) -> bool| push.is_some_and(says);
    let unreadable = |push: &Push| push.ext.is_some() && push_payload(push).is_none();
    let badge_differs = push.and_then(|push| push.badge).is_some_and(|badge| badge != options.badge);
    let mentions =
        content.mentions.as_ref().is_some_and(|mentions| mentions.all || !mentions.users.is_empty());
    let unstored = (route == Route::Directed && options.wants_store()) || (broadcast && !options.store);
    [
        (sender.name.is_some(), "from.name"),
        (sender.avatar_url.is_some(), "from.avatar_url"),
        (sender.platform.is_some(), "from.platform"),
        (mentions && !forces_push(message, options), "mentions"),
        (broadcast && content.ext.is_some(), "ext"),
        (unstored, "store"),
        (broadcast && !options.badge, "badge"),
        (!direct && options.sync_sender, "sync_sender"),
        (if broadcast { !ttl_is_exact(options) } else { !options.ttl.is_zero() }, "ttl"),
        (!rooms && options.audience.is_some(), "audience"),
        (push_says(|push| push.title.is_some()), "push.title"),
        (!direct && push_says(|push| push.body.is_some()), "push.body"),
        (push_says(|push| push.sound.is_some()), "push.sound"),
        (if direct { push_says(unreadable) } else { push_says(|push| push.ext.is_some()) }, "push.ext"),
        (if direct { badge_differs } else { push_says(|push| push.badge.is_some()) }, "push.badge"),
    ]
    .into_iter()
    .filter_map(|(lost, name)| lost.then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions::Flags;
    use std::time::Duration;

    fn hours(ttl: Duration) -> (Option<u64>, bool) {
        let options = Options { ttl, ..Options::default() };
        (broadcast_hours(&options), ttl_is_exact(&options))
    }

    #[test]
    fn a_broadcasts_life_is_whole_hours_up_to_a_week() {
        assert_eq!(hours(Duration::ZERO), (None, true));
        assert_eq!(hours(Duration::from_secs(7_200)), (Some(2), true));
        assert_eq!(hours(Duration::from_secs(7_201)), (Some(3), false));
        assert_eq!(hours(Duration::MAX), (Some(168), false));
    }

    #[test]
    fn what_is_the_vendors_default_is_not_said() {
        let text = serde_json::to_string(&switches(&Options::default(), &Extensions::default())).unwrap();
        assert_eq!(text, r#"{"sendersync":false}"#);
        let flags = Flags { route: Some(0), ..Flags::default() };
        let extensions = Extensions { flags, ..Extensions::default() };
        let online = Options { online_only: true, badge: false, ..Options::default() };
        assert_eq!(
            serde_json::to_string(&switches(&online, &extensions)).unwrap(),
            concat!(
                r#"{"push":false,"roam":false,"history":false,"sendersync":false,"#,
                r#""route":false,"badge":false,"persistent":false}"#
            )
        );
    }
}
