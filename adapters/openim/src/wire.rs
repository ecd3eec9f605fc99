//! The vendor's JSON, both directions: structs without decisions. Requests borrow all they can, so
//! that a call is written without copies; replies are read leniently, because their lists are `null`
//! when empty and fields come and go between server lines.

use std::borrow::Cow;

use interline_core::adapter::CallMessage;
use interline_core::content::Object;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// `/msg/send_msg` and `/msg/batch_send_msg`: one struct, as on the server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendMsg<'a> {
    #[serde(rename = "sendID")]
    pub(crate) send_id: &'a str,
    #[serde(rename = "recvID", skip_serializing_if = "Option::is_none")]
    pub(crate) recv_id: Option<&'a str>,
    #[serde(rename = "groupID", skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<&'a str>,
    #[serde(rename = "recvIDs", skip_serializing_if = "Option::is_none")]
    pub(crate) recv_ids: Option<RecvIds<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_send_all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_nickname: Option<&'a str>,
    #[serde(rename = "senderFaceURL", skip_serializing_if = "Option::is_none")]
    pub(crate) sender_face_url: Option<&'a str>,
    #[serde(rename = "senderPlatformID", skip_serializing_if = "Option::is_none")]
    pub(crate) sender_platform_id: Option<u16>,
    pub(crate) content: Payload<'a>,
    pub(crate) content_type: u32,
    pub(crate) session_type: u8,
    pub(crate) is_online_only: bool,
    pub(crate) not_offline_push: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) send_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offline_push_info: Option<OfflinePush<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ex: Option<Cow<'a, str>>,
}

/// The recipients of a batch, in the call's order.
#[derive(Debug)]
pub(crate) struct RecvIds<'a>(pub(crate) &'a [CallMessage]);

impl Serialize for RecvIds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(CallMessage::recipient_id))
    }
}

/// `offlinePushInfo`.
#[derive(Debug, Serialize)]
pub(crate) struct OfflinePush<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) desc: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ex: Option<&'a str>,
    #[serde(rename = "iOSPushSound", skip_serializing_if = "Option::is_none")]
    pub(crate) ios_push_sound: Option<&'a str>,
    #[serde(rename = "iOSBadgeCount", skip_serializing_if = "Option::is_none")]
    pub(crate) ios_badge_count: Option<bool>,
}

/// `/msg/send_business_notification`; the last two members are the main line's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BusinessNotification<'a> {
    pub(crate) key: &'a str,
    pub(crate) data: Cow<'a, str>,
    #[serde(rename = "sendUserID")]
    pub(crate) send_user_id: &'a str,
    #[serde(rename = "recvUserID", skip_serializing_if = "Option::is_none")]
    pub(crate) recv_user_id: Option<&'a str>,
    #[serde(rename = "recvGroupID", skip_serializing_if = "Option::is_none")]
    pub(crate) recv_group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reliability_level: Option<u8>,
}

/// `content`, by content type.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Payload<'a> {
    /// 101, and 118 on the main line.
    Text(TextElem<'a>),
    /// 101 as the published page writes it.
    Wrapped(WrappedText<'a>),
    /// 102.
    Picture(Box<PictureElem<'a>>),
    /// 103.
    Sound(SoundElem<'a>),
    /// 104.
    Video(Box<VideoElem<'a>>),
    /// 105.
    File(FileElem<'a>),
    /// 106.
    At(Box<AtElem<'a>>),
    /// 110.
    Custom(CustomElem<'a>),
    /// 114.
    Quote(Box<QuoteElem<'a>>),
    /// 1400.
    Notification(Box<NotificationElem<'a>>),
    /// Whatever the caller gave.
    Given(&'a Object),
}

#[derive(Debug, Serialize)]
pub(crate) struct TextElem<'a> {
    pub(crate) content: Cow<'a, str>,
}

/// A text element written as JSON into a string of its own.
#[derive(Debug, Serialize)]
pub(crate) struct WrappedText<'a> {
    #[serde(serialize_with = "as_json_text")]
    pub(crate) text: TextElem<'a>,
}

fn as_json_text<S: Serializer>(element: &TextElem<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = serde_json::to_string(element).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PictureElem<'a> {
    pub(crate) source_picture: PictureBase<'a>,
    pub(crate) big_picture: PictureBase<'a>,
    pub(crate) snapshot_picture: PictureBase<'a>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PictureBase<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) size: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) url: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SoundElem<'a> {
    pub(crate) source_url: &'a str,
    pub(crate) duration: u64,
    pub(crate) data_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sound_type: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VideoElem<'a> {
    pub(crate) video_url: &'a str,
    pub(crate) video_type: Cow<'a, str>,
    pub(crate) video_size: u64,
    pub(crate) duration: u64,
    pub(crate) snapshot_url: &'a str,
    pub(crate) snapshot_width: u32,
    pub(crate) snapshot_height: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileElem<'a> {
    pub(crate) source_url: &'a str,
    pub(crate) file_name: &'a str,
    pub(crate) file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_type: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AtElem<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) at_user_list: Vec<&'a str>,
    pub(crate) is_at_self: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quote_message: Option<QuoteMessage<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CustomElem<'a> {
    pub(crate) data: Cow<'a, str>,
    pub(crate) description: &'a str,
    pub(crate) extension: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuoteElem<'a> {
    pub(crate) text: &'a str,
    pub(crate) quote_message: QuoteMessage<'a>,
}

/// The quoted message, as far as the caller knows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuoteMessage<'a> {
    #[serde(rename = "clientMsgID", skip_serializing_if = "Option::is_none")]
    pub(crate) client_msg_id: Option<&'a str>,
    #[serde(rename = "serverMsgID", skip_serializing_if = "Option::is_none")]
    pub(crate) server_msg_id: Option<&'a str>,
    #[serde(rename = "sendID", skip_serializing_if = "Option::is_none")]
    pub(crate) send_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_nickname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) send_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<i64>,
    pub(crate) content_type: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_elem: Option<TextElem<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationElem<'a> {
    pub(crate) notification_name: &'a str,
    #[serde(rename = "notificationFaceURL", skip_serializing_if = "Option::is_none")]
    pub(crate) notification_face_url: Option<&'a str>,
    pub(crate) notification_type: i32,
    pub(crate) text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mix_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) picture_elem: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sound_elem: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) video_elem: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_elem: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ex: Option<&'a str>,
}

/// `/auth/get_admin_token`.
#[derive(Serialize)]
pub(crate) struct GetAdminToken<'a> {
    pub(crate) secret: &'a str,
    #[serde(rename = "userID")]
    pub(crate) user_id: &'a str,
}

/// What every reply is wrapped in. `errCode` is what makes it one.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<'b> {
    #[serde(rename = "errCode")]
    pub(crate) code: i64,
    #[serde(rename = "errMsg", borrow, default)]
    pub(crate) message: Cow<'b, str>,
    #[serde(rename = "errDlt", borrow, default)]
    pub(crate) detail: Cow<'b, str>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'b RawValue>,
}

/// What is told of one message; in a batch `recvID` says of whose.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent<'b> {
    #[serde(rename = "serverMsgID", borrow)]
    pub(crate) server_msg_id: Cow<'b, str>,
    #[serde(rename = "clientMsgID", borrow, default)]
    pub(crate) client_msg_id: Cow<'b, str>,
    #[serde(rename = "sendTime", default)]
    pub(crate) send_time: Option<i64>,
    #[serde(rename = "recvID", borrow, default)]
    pub(crate) recv_id: Cow<'b, str>,
    #[serde(default)]
    pub(crate) modify: Option<Object>,
}

/// `data` of a batch.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BatchSent<'b> {
    #[serde(borrow, default)]
    pub(crate) results: Option<Vec<Sent<'b>>>,
    #[serde(rename = "failedUserIDs", borrow, default)]
    pub(crate) failed: Option<Vec<Cow<'b, str>>>,
}

/// `data` of `/auth/get_admin_token`; the lifetime is a duration in seconds.
#[derive(Deserialize)]
pub(crate) struct AdminToken {
    pub(crate) token: String,
    #[serde(rename = "expireTimeSeconds")]
    pub(crate) expires_in: u64,
}

/// `data` of `/msg/check_msg_is_send_success`.
#[derive(Debug, Deserialize)]
pub(crate) struct SendStatus {
    pub(crate) status: i64,
}
