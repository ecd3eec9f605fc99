//! What the paths that send bind of a body: the server's three structs, its required fields and the order
//! in which it misses them. Nothing is decided here.

use interline_core::content::Object;

use super::bind::{Fields, Mismatch, Missing};
use super::{BATCH, NOTIFY, SEND};

/// `sessionType` of one person.
pub(super) const PERSON: i64 = 1;
/// Groups as the vendor once delivered them; no server takes it.
pub(super) const OLD_GROUP: i64 = 2;
/// `sessionType` of a group.
pub(super) const GROUP: i64 = 3;
/// `sessionType` of official accounts' notifications.
pub(super) const NOTIFICATION: i64 = 4;

/// What `/msg/send_msg` and `/msg/batch_send_msg` have in common.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) send_id: String,
    pub(super) group_id: String,
    pub(super) nickname: String,
    pub(super) face_url: String,
    pub(super) platform: i64,
    pub(super) content: Object,
    pub(super) content_type: i64,
    pub(super) session_type: i64,
    pub(super) online_only: bool,
    pub(super) no_push: bool,
    pub(super) push: Option<Push>,
    pub(super) send_time: i64,
    pub(super) ex: String,
}

/// `offlinePushInfo`.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) title: String,
    pub(super) desc: String,
    pub(super) ex: String,
    pub(super) sound: String,
    pub(super) badge: Option<bool>,
}

/// A body of `/msg/send_msg`.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) message: Outgoing,
    pub(super) recv_id: String,
}

/// A body of `/msg/batch_send_msg`.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) message: Outgoing,
    pub(super) everyone: bool,
    pub(super) recv_ids: Vec<String>,
}

/// A body of `/msg/send_business_notification`.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) key: String,
    pub(super) data: String,
    pub(super) sender: String,
    pub(super) user: String,
    pub(super) group: String,
    pub(super) level: i64,
}

/// Whether a body of one of the paths that send can be bound.
pub(super) fn binds(path: &str, body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    match path {
        SEND => Single::bind(&body).is_ok(),
        BATCH => Batch::bind(&body).is_ok(),
        NOTIFY => Notice::bind(&body).is_ok(),
        _ => true,
    }
}

impl Outgoing {
    /// Reads the fields of the struct that stands in `name`.
    fn bind(fields: &Fields<'_>, name: &str, missing: &mut Missing) -> Result<Self, Mismatch> {
        let content = fields.object("content")?;
        let given = content.is_some();
        let bound = Self {
            send_id: fields.text("sendID")?,
            group_id: fields.text("groupID")?,
            nickname: fields.text("senderNickname")?,
            face_url: fields.text("senderFaceURL")?,
            platform: fields.small("senderPlatformID")?,
            content: content.unwrap_or_default(),
            content_type: fields.small("contentType")?,
            session_type: fields.small("sessionType")?,
            online_only: fields.flag("isOnlineOnly")?.unwrap_or_default(),
            no_push: fields.flag("notOfflinePush")?.unwrap_or_default(),
            push: fields.fields("offlinePushInfo")?.map(|fields| Push::bind(&fields)).transpose()?,
            send_time: fields.whole("sendTime")?,
            ex: fields.text("ex")?,
        };
        let mut required =
            |given, field: &str, tag| missing.unless(given, &format!("{name}.SendMsg.{field}"), tag);
        required(!bound.send_id.is_empty(), "SendID", "required");
        required(!bound.names_a_group() || !bound.group_id.is_empty(), "GroupID", "required_if");
        required(given, "Content", "required");
        required(bound.content_type != 0, "ContentType", "required");
        required(bound.session_type != 0, "SessionType", "required");
        Ok(bound)
    }

    /// Whether the session type is one of groups.
    pub(super) const fn names_a_group(&self) -> bool {
        matches!(self.session_type, OLD_GROUP | GROUP)
    }
}

impl Push {
    fn bind(fields: &Fields<'_>) -> Result<Self, Mismatch> {
        // Call signalling between the vendor's own clients: read as the server reads it, and left out.
        fields.text("signalInfo")?;
        Ok(Self {
            title: fields.text("title")?,
            desc: fields.text("desc")?,
            ex: fields.text("ex")?,
            sound: fields.text("iOSPushSound")?,
            badge: fields.flag("iOSBadgeCount")?,
        })
    }
}

impl Single {
    pub(super) fn bind(body: &str) -> Result<Self, Mismatch> {
        const NAME: &str = "SendMsgReq";
        let fields = Fields::read(body, NAME)?;
        let mut missing = Missing::none();
        let recv_id = fields.text("recvID")?;
        let session_type = fields.small("sessionType")?;
        let needed = matches!(session_type, PERSON | NOTIFICATION);
        missing.unless(!needed || !recv_id.is_empty(), "SendMsgReq.RecvID", "required_if");
        let message = Outgoing::bind(&fields, NAME, &mut missing)?;
        missing.verdict()?;
        Ok(Self { message, recv_id })
    }
}

impl Batch {
    pub(super) fn bind(body: &str) -> Result<Self, Mismatch> {
        const NAME: &str = "BatchSendMsgReq";
        let fields = Fields::read(body, NAME)?;
        let mut missing = Missing::none();
        let message = Outgoing::bind(&fields, NAME, &mut missing)?;
        let everyone = fields.flag("isSendAll")?.unwrap_or_default();
        let recv_ids = fields.texts("recvIDs")?;
        // Servers want the key always; the published page leaves it out where it means nothing.
        let may_lack = (everyone || message.names_a_group()) && !fields.has("recvIDs");
        missing.unless(recv_ids.is_some() || may_lack, "BatchSendMsgReq.RecvIDs", "required");
        missing.verdict()?;
        Ok(Self { message, everyone, recv_ids: recv_ids.unwrap_or_default() })
    }
}

impl Notice {
    pub(super) fn bind(body: &str) -> Result<Self, Mismatch> {
        const NAME: &str = "SendBusinessNotificationReq";
        let fields = Fields::read(body, NAME)?;
        // A chat bubble beside the command: read as the server reads it, and left out.
        fields.flag("sendMsg")?;
        let bound = Self {
            key: fields.text("key")?,
            data: fields.text("data")?,
            sender: fields.text("sendUserID")?,
            user: fields.text("recvUserID")?,
            group: fields.text("recvGroupID")?,
            level: fields.small("reliabilityLevel")?,
        };
        let mut missing = Missing::none();
        missing.unless(!bound.sender.is_empty(), "SendBusinessNotificationReq.SendUserID", "required");
        missing.verdict()?;
        Ok(bound)
    }
}
