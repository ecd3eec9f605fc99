//! Which of the vendor's calls a message goes through, and that call's path and quota class.

use std::time::Duration;

use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::recipient::RecipientKind;

/// Quota class of chat room calls.
pub(crate) const ROOM: &str = "room";
/// Quota class of calls for one user or team.
pub(crate) const SINGLE: &str = "single";
/// Quota class of one content for many users.
pub(crate) const USER_BATCH: &str = "user_batch";
/// Quota class of broadcasts.
pub(crate) const BROADCAST: &str = "broadcast";

/// One of the vendor's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Route {
    /// Messages of one sender for one chat room.
    Room,
    /// The same for some members of the room; never stored.
    Directed,
    /// One message for one user or team.
    Single,
    /// One content for many users.
    Users,
    /// One content for every user of the app.
    Broadcast,
}

impl Route {
    /// The route of a message. Only the single call tells ids and reasons of messages to users; it is also the
    /// faster one for texts that are each recipient's own: the batch call has one text, twice a second.
    pub(crate) fn of(message: &Message, results: Results) -> Self {
        match (message.to.kind(), results) {
            (RecipientKind::Room, _) if message.options.audience.is_some() => Self::Directed,
            (RecipientKind::Room, _) => Self::Room,
            (RecipientKind::User, Results::Fast) if !own_text(message) => Self::Users,
            (RecipientKind::User | RecipientKind::Group, _) => Self::Single,
            (RecipientKind::Everyone, _) => Self::Broadcast,
        }
    }

    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Room | Self::Directed => ROOM,
            Self::Single => SINGLE,
            Self::Users => USER_BATCH,
            Self::Broadcast => BROADCAST,
        }
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Room => "/chatroom/batchSendMsg.action",
            Self::Directed => "/chatroom/batchSendMsgToSomeone.action",
            Self::Single => "/msg/sendMsg.action",
            Self::Users => "/msg/sendBatchMsg.action",
            Self::Broadcast => "/msg/broadcastMsg.action",
        }
    }
}

/// Whether the message's text is made of values of its own.
fn own_text(message: &Message) -> bool {
    message.is_template() && !message.vars.is_empty()
}

/// How long the vendor blocks a class after its rate was exceeded: classes counted by the second 10 s,
/// those counted by the minute 60 s.
pub(crate) fn penalty(class: &str) -> Duration {
    Duration::from_secs(if matches!(class, USER_BATCH | BROADCAST) { 60 } else { 10 })
}

/// The class under its static name; unknown names count as single.
pub(crate) fn class_named(class: &str) -> &'static str {
    [ROOM, USER_BATCH, BROADCAST].into_iter().find(|known| *known == class).unwrap_or(SINGLE)
}
