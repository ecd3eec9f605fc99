//! What a message says. Each variant is one `content.type` of the API; adapters turn it into the
//! vendor's own shape or say what would be lost.

use serde_json::{Map, Number, Value};

/// A JSON object of the app's own.
pub type Object = Map<String, Value>;

/// Content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// The typed part.
    pub body: Body,
    /// The app's own extension.
    pub ext: Option<Ext>,
    /// Who is mentioned.
    pub mentions: Option<Mentions>,
    /// Whether texts hold `$name$` placeholders.
    pub template: Template,
}

/// Whether texts are templates, and what becomes of a placeholder without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Template {
    /// Dollars are just dollars.
    #[default]
    Off,
    /// A placeholder without a value is an error.
    Strict,
    /// A placeholder without a value stays as it stands.
    Lenient,
}

/// The app's own extension of a content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ext {
    /// A string, passed through.
    Text(String),
    /// An object, passed through or written as JSON text where the vendor wants a string.
    Object(Object),
}

impl Ext {
    /// The extension as text: a string as it is, an object as JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Object(object) => Value::Object(object.clone()).to_string(),
        }
    }
}

/// Who is mentioned in a group or room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Mentions {
    /// Everybody.
    pub all: bool,
    /// These users.
    pub users: Vec<String>,
}

/// The typed part of a content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body {
    /// Plain text.
    Text(String),
    /// Markdown text.
    Markdown(String),
    /// A picture.
    Image(Image),
    /// A sound.
    Audio(Audio),
    /// A film.
    Video(Video),
    /// Any file.
    File(File),
    /// A place.
    Location(Location),
    /// A tip or alert shown in the conversation.
    Notice(String),
    /// A text that answers another message.
    Quote {
        /// The answer.
        text: String,
        /// What is answered.
        message: Quoted,
    },
    /// A message for the app and not for people.
    Command {
        /// The command's name.
        name: String,
        /// Its argument.
        data: Option<Value>,
    },
    /// The app's own content.
    Custom {
        /// Any JSON.
        data: Value,
        /// The app's name or number for the type.
        kind: Option<String>,
    },
    /// A vendor's own payload, passed through; other vendors refuse it.
    Raw {
        /// Whose payload it is.
        vendor: String,
        /// The payload.
        payload: Raw,
    },
}

/// A vendor's own payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Raw {
    /// JSON, from `body`.
    Json(Value),
    /// Bytes, from `body_base64`.
    Bytes(Vec<u8>),
}

/// `image`: sizes in pixels and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Image {
    pub url: String,
    pub thumbnail_url: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub size: Option<u64>,
    pub md5: Option<String>,
    pub name: Option<String>,
    pub format: Option<String>,
}

/// `audio`: duration in milliseconds, size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Audio {
    pub url: String,
    pub duration_ms: u64,
    pub size: Option<u64>,
    pub md5: Option<String>,
    pub name: Option<String>,
    pub format: Option<String>,
}

/// `video`: duration in milliseconds, sizes in pixels and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Video {
    pub url: String,
    pub thumbnail_url: Option<String>,
    pub duration_ms: Option<u64>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub size: Option<u64>,
    pub md5: Option<String>,
    pub name: Option<String>,
    pub format: Option<String>,
}

/// `file`: size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct File {
    pub url: String,
    pub name: String,
    pub size: Option<u64>,
    pub md5: Option<String>,
    pub format: Option<String>,
    pub mime: Option<String>,
}

/// `location`: degrees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Location {
    pub latitude: Number,
    pub longitude: Number,
    pub title: Option<String>,
    pub address: Option<String>,
}

/// The message that a `quote` answers. Ids are the vendor's, as strings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "field names are the API's")]
pub struct Quoted {
    pub id: Option<String>,
    pub client_id: Option<String>,
    pub seq: Option<String>,
    pub from: Option<String>,
    pub from_name: Option<String>,
    pub text: Option<String>,
    pub time_ms: Option<i64>,
}

/// The names of the content types, for capability tables.
pub const CONTENT_TYPES: [&str; 12] = [
    "text", "markdown", "image", "audio", "video", "file", "location", "notice", "quote", "command",
    "custom", "raw",
];

impl Content {
    /// Plain content of `body`, with nothing else said.
    #[must_use]
    pub const fn of(body: Body) -> Self {
        Self { body, ext: None, mentions: None, template: Template::Off }
    }

    /// Plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Body::Text(text.into()))
    }

    /// The `type` as the API spells it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.body {
            Body::Text(_) => "text",
            Body::Markdown(_) => "markdown",
            Body::Image(_) => "image",
            Body::Audio(_) => "audio",
            Body::Video(_) => "video",
            Body::File(_) => "file",
            Body::Location(_) => "location",
            Body::Notice(_) => "notice",
            Body::Quote { .. } => "quote",
            Body::Command { .. } => "command",
            Body::Custom { .. } => "custom",
            Body::Raw { .. } => "raw",
        }
    }

    /// The text that a person reads, where the type has one.
    #[must_use]
    pub fn readable(&self) -> Option<&str> {
        match &self.body {
            Body::Text(text) | Body::Markdown(text) | Body::Notice(text) | Body::Quote { text, .. } => {
                Some(text)
            }
            Body::Image(_)
            | Body::Audio(_)
            | Body::Video(_)
            | Body::File(_)
            | Body::Location(_)
            | Body::Command { .. }
            | Body::Custom { .. }
            | Body::Raw { .. } => None,
        }
    }
}
