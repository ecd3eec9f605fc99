//! The vendor's JSON, both directions, without logic. Ids are 63-bit numbers in JSON and strings here:
//! they never pass through a float. Answers may hold more than is named; that is ignored.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The three flags; exactly 1 is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Not stored: only who is online receives it.
    pub no_persist: i64,
    /// Counts as unread.
    pub red_dot: i64,
    /// A command.
    pub sync_once: i64,
}

/// One message: the body of `/message/send`, and an element of the page's array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item<'a> {
    /// Flags.
    #[serde(default)]
    pub header: Header,
    /// The message's id at the client.
    #[serde(borrow, default)]
    pub client_msg_no: Cow<'a, str>,
    /// The sender.
    #[serde(borrow, default)]
    pub from_uid: Cow<'a, str>,
    /// The recipient: a user for channel type 1, else the channel.
    #[serde(borrow, default)]
    pub channel_id: Cow<'a, str>,
    /// 1 person, 2 group, … 12 agent group.
    #[serde(default)]
    pub channel_type: u8,
    /// Lifetime in seconds, 0 is none.
    #[serde(default)]
    pub expire: u32,
    /// Standard base64 with padding.
    #[serde(borrow, default)]
    pub payload: Cow<'a, str>,
    /// Receivers inside the channel (page), or instead of one (commands).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribers: Vec<String>,
    /// The stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_no: Option<String>,
    /// The server's own tag of receivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_key: Option<String>,
}

/// The body of `/message/sendbatch` in v1 and v2: one payload to many persons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanOut<'a> {
    /// Flags.
    #[serde(default)]
    pub header: Header,
    /// The sender; there is no fallback.
    #[serde(borrow, default)]
    pub from_uid: Cow<'a, str>,
    /// The recipients.
    #[serde(default)]
    pub subscribers: Vec<String>,
    /// Standard base64 with padding.
    #[serde(borrow, default)]
    pub payload: Cow<'a, str>,
}

/// The answer to a [`FanOut`]: who was refused, and why, by position.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FanOutAnswer {
    /// Recipients that were refused; always there.
    pub fail_uids: Option<Vec<String>>,
    /// Why, in the same order.
    pub reason: Option<Vec<String>>,
}

/// What an accepting server tells of one message: an element of the page's answer, the `data` of v1
/// and v2, the whole answer of v3.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Ids<'a> {
    /// The server's id.
    #[serde(borrow)]
    pub message_id: Option<Id<'a>>,
    /// Position in the channel; absent in v2.
    #[serde(borrow)]
    pub message_seq: Option<Id<'a>>,
    /// The id at the client, given back; absent in v3.
    #[serde(borrow)]
    pub client_msg_no: Option<Name<'a>>,
    /// v3: 1 is success.
    pub reason: Option<i64>,
}

/// The answer to `/message/send`, of any version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct SendAnswer<'a> {
    /// v1 and v2: 200, or the code of a failure under HTTP 200.
    pub status: Option<i64>,
    /// v1 and v2: the ids.
    #[serde(borrow)]
    pub data: Option<Ids<'a>>,
    /// v3.
    #[serde(borrow)]
    pub message_id: Option<Id<'a>>,
    /// v3.
    #[serde(borrow)]
    pub message_seq: Option<Id<'a>>,
    /// v3: 1 is success.
    pub reason: Option<i64>,
}

/// A stored message, as far as a lookup reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Stored<'a> {
    /// 404 under HTTP 200 when there is none.
    pub status: Option<i64>,
    /// The id.
    #[serde(borrow)]
    pub message_id: Option<Id<'a>>,
    /// The id as a string, the same.
    #[serde(borrow)]
    pub message_idstr: Option<Id<'a>>,
    /// Position in the channel.
    #[serde(borrow)]
    pub message_seq: Option<Id<'a>>,
    /// The id at the client.
    #[serde(borrow)]
    pub client_msg_no: Option<Name<'a>>,
    /// Unix seconds.
    pub timestamp: Option<i64>,
}

/// The body of an error: `{"msg","status"}` up to v2, `{"error"}` in v3, `{"error","message"}` by the page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Complaint {
    /// Up to v2.
    pub msg: Option<String>,
    /// Up to v2.
    pub status: Option<i64>,
    /// v3 and the page.
    pub error: Option<String>,
    /// The page.
    pub message: Option<String>,
}

/// An id of the server's as text, whether it came as a number or a string. What is neither, a fraction or 0 is
/// none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Id<'a>(pub Option<Cow<'a, str>>);

impl<'a> Id<'a> {
    /// The id that stands for this text.
    #[must_use]
    pub fn of(text: impl Into<Cow<'a, str>>) -> Self {
        Self(Name::of(text).0.filter(|text| text != "0"))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Name::deserialize(deserializer).map(|Name(text)| Self(text.filter(|text| text != "0")))
    }
}

/// An id of the client's as text. It may be any words, `0` too; as a number 0 is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name<'a>(pub Option<Cow<'a, str>>);

impl<'a> Name<'a> {
    /// The id that stands for this text.
    #[must_use]
    pub fn of(text: impl Into<Cow<'a, str>>) -> Self {
        Self(Some(text.into()).filter(|text| !text.is_empty()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Name<'de>, E> {
                Ok(Name(Some(number).filter(|number| *number != 0).map(|number| number.to_string().into())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Name<'de>, E> {
                Ok(Name::of(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name::of(text.to_owned()))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name::of(text))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Name<'de>, E> {
                Ok(Name(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Name<'de>, E> {
                Ok(Name(None))
            }

            fn visit_unit<E>(self) -> Result<Name<'de>, E> {
                Ok(Name(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Name<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Name(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Name<'de>, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Name(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_id_of_a_servers_and_may_be_one_of_a_clients() {
        fn read(text: &str) -> (Option<Id<'_>>, Option<Name<'_>>) {
            let ids: Ids<'_> = serde_json::from_str(text).unwrap();
            (ids.message_id, ids.client_msg_no)
        }
        let none = (Some(Id(None)), Some(Name(None)));
        assert_eq!(read(r#"{"message_id":0,"client_msg_no":0}"#), none);
        assert_eq!(read(r#"{"message_id":"","client_msg_no":""}"#), none);
        let named = (Some(Id(None)), Some(Name(Some("0".into()))));
        assert_eq!(read(r#"{"message_id":"0","client_msg_no":"0"}"#), named);
    }
}
