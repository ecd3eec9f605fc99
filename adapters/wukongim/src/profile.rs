//! What each dialect can do, and its limits. The vendor documents no rate limit, and no server tells
//! that it is overloaded: calls under way times messages a call stay below what was seen to be safe.

use std::time::Duration;

use interline_core::profile::{Dedupe, Profile, QuotaClass};
use interline_core::recipient::RecipientKind;

use crate::dialect::Dialect;
use crate::{NAME, SEND, SENDBATCH};

const RECIPIENTS: [RecipientKind; 3] = [RecipientKind::User, RecipientKind::Group, RecipientKind::Room];

/// All but markdown, whose source would be shown.
const CONTENTS: [&str; 11] =
    ["text", "image", "audio", "video", "file", "location", "notice", "quote", "command", "custom", "raw"];

/// What the page recommends for one call.
const MESSAGES_PER_BATCH: usize = 100;

/// An hour: far below the life of the index that v3 recognises repeats by.
const RECOGNISED_MS: u64 = 60 * 60 * 1000;

pub(crate) fn of(dialect: Dialect) -> Profile {
    Profile {
        vendor: NAME,
        dialect: dialect.as_str(),
        recipients: &RECIPIENTS,
        contents: &CONTENTS,
        // Both classes stand in every dialect, so that limits hold whatever `auto` finds.
        classes: vec![class(SEND, 1), class(SENDBATCH, MESSAGES_PER_BATCH)],
        accepted_means: accepted_means(dialect),
        dedupe: dedupe(dialect),
        lookup: dialect == Dialect::V2,
        in_flight: 16,
        timeout: Duration::from_secs(10),
    }
}

const fn class(name: &'static str, messages_per_call: usize) -> QuotaClass {
    QuotaClass { name, calls: None, messages: None, per_recipient: None, messages_per_call, serial: false }
}

const fn accepted_means(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Published => {
            "the server answered with a message id and a sequence; the page promises no more"
        }
        Dialect::V1 => "stored (commands and unstored messages: handed to the channel)",
        Dialect::V2 => "queued in the server's memory: not yet stored, permitted or delivered",
        Dialect::V3 => "committed by a quorum of the cluster",
    }
}

const fn dedupe(dialect: Dialect) -> Dedupe {
    match dialect {
        Dialect::V3 => Dedupe::Within {
            classes: &[SEND],
            window_ms: RECOGNISED_MS,
            evidence: "read in the source (main, b249d3a): a durable index by sender, channel, \
                       client_msg_no and payload hash; not measured",
        },
        Dialect::Published | Dialect::V1 | Dialect::V2 => Dedupe::Never,
    }
}
