//! The vendor's lengths. They are given in characters without saying which; counting UTF-16 units is
//! never more generous than counting code points.

use interline_core::read::{Path, Problems};

/// Account ids.
pub(crate) const ACCID: usize = 32;
/// `attach` of a room message.
pub(crate) const ATTACH: usize = 4096;
/// `ext` of a room message.
pub(crate) const ROOM_EXT: usize = 4096;
/// `body` of a message to users or a team.
pub(crate) const BODY: usize = 5000;
/// `body` of a broadcast.
pub(crate) const BROADCAST_BODY: usize = 4096;
/// `ext` of a message to users or a team.
pub(crate) const EXT: usize = 1024;
/// `pushcontent`.
pub(crate) const PUSH_CONTENT: usize = 500;
/// `payload`.
pub(crate) const PAYLOAD: usize = 2048;
/// `msgDesc`.
pub(crate) const MSG_DESC: usize = 500;
/// `notifyTargetTags`.
pub(crate) const TAGS: usize = 128;
/// `yidunAntiCheating` and `yidunAntiSpamExt`.
pub(crate) const YIDUN: usize = 1024;
/// `antispamCustom`.
pub(crate) const ANTISPAM: usize = 5000;
/// `env`.
pub(crate) const ENV: usize = 32;
/// Messages of one room call.
pub(crate) const ROOM_MESSAGES: usize = 10;
/// Recipients of one user batch.
pub(crate) const USERS: usize = 500;
/// Members that a room message may be directed to.
pub(crate) const DIRECTED: usize = 100;
/// Longest life of a stored broadcast, in hours; also what the vendor assumes.
pub(crate) const BROADCAST_HOURS: u64 = 168;

/// The length in UTF-16 units.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Notes a text that is too long. UTF-8 never has fewer bytes than UTF-16 has units, so most texts
/// need no counting.
pub(crate) fn at_most(text: &str, most: usize, path: &str, problems: &mut Problems) {
    if text.len() <= most {
        return;
    }
    let found = length(text);
    if found > most {
        problems.add(&Path::Root(path), format!("has {found} characters (UTF-16 units); allowed are {most}"));
    }
}
