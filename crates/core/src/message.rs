//! A batch as Interline understands it: a [`Head`] said once and [`Message`]s that inherit from it.
//! A message is immutable after it was read; what happens to it stands in its results.

use std::borrow::Cow;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::callback::Callback;
use crate::content::{Content, Template};
use crate::error::{ErrorCode, Refusal};
use crate::options::{Extensions, Guarantee, Labels, OnLoss, Options, Results, Sender, Validation, Vars};
use crate::recipient::Recipient;
use crate::shared::Shared;
use crate::template;

/// Recipients of one content above which `results` defaults to `fast`.
pub const FAST_ABOVE: u64 = 100;

/// The default of `results` when so many messages share the batch's content.
#[must_use]
pub const fn default_results(sharing: u64) -> Results {
    if sharing > FAST_ABOVE { Results::Fast } else { Results::Each }
}

/// What a batch says once, for all of its messages.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// Default sender.
    pub from: Option<Shared<Sender>>,
    /// Default content.
    pub content: Option<Shared<Content>>,
    /// Default options, resolved.
    pub options: Shared<Options>,
    /// Default extensions.
    pub extensions: Shared<Extensions>,
    /// Default variables.
    pub vars: Arc<Vars>,
    /// Labels of the batch.
    pub labels: Arc<Labels>,
    /// A forced route.
    pub route: Option<String>,
    /// Default guarantee; none leaves it to the route and the configuration.
    pub guarantee: Option<Guarantee>,
    /// Default treatment of losses; none leaves it to the route and the configuration.
    pub on_loss: Option<OnLoss>,
    /// What one bad message does.
    pub validation: Validation,
    /// Not before, Unix milliseconds.
    pub send_at_ms: Option<i64>,
    /// Not after, Unix milliseconds.
    pub expires_at_ms: Option<i64>,
    /// Whether messages for one recipient keep their order.
    pub ordered: bool,
    /// The caller's trace.
    pub trace_id: Option<String>,
    /// Who is told what became of it.
    pub callback: Option<Arc<Callback>>,
}

/// One content for one recipient, with everything inherited resolved.
#[derive(Debug, Clone)]
pub struct Message {
    /// Position in the batch, from 0.
    pub index: u64,
    /// The caller's name for it, or `msg_N` made by Interline.
    pub id: SmolStr,
    /// Whether the caller gave the id.
    pub id_given: bool,
    /// The message's id at the vendor: fixed at acceptance, equal over all attempts.
    pub client_id: Box<str>,
    /// Whom it is for.
    pub to: Recipient,
    /// Who sends; none leaves it to the provider's default sender.
    pub from: Option<Shared<Sender>>,
    /// What it says, templates not yet rendered.
    pub content: Shared<Content>,
    /// Whether the content is the batch's.
    pub inherits_content: bool,
    /// How it is delivered.
    pub options: Shared<Options>,
    /// The vendors' own fields.
    pub extensions: Shared<Extensions>,
    /// Values of placeholders.
    pub vars: Arc<Vars>,
    /// Labels, the batch's included.
    pub labels: Arc<Labels>,
    /// What may follow an unknown; none leaves it to the route and the configuration.
    pub guarantee: Option<Guarantee>,
    /// What happens with losses; none leaves it to the route and the configuration.
    pub on_loss: Option<OnLoss>,
    /// Not sent after this, Unix milliseconds.
    pub expires_at_ms: Option<i64>,
}

impl Message {
    /// The content as people will read it, placeholders filled in.
    #[must_use]
    pub fn rendered(&self) -> Cow<'_, Content> {
        match self.content.template {
            Template::Off => Cow::Borrowed(&self.content),
            Template::Strict | Template::Lenient => {
                Cow::Owned(template::render_content(&self.content, &self.vars))
            }
        }
    }

    /// The options with the push's placeholders filled in.
    #[must_use]
    pub fn rendered_options(&self) -> Cow<'_, Options> {
        match self.content.template {
            Template::Off => Cow::Borrowed(&self.options),
            Template::Strict | Template::Lenient => {
                Cow::Owned(template::render_options(&self.options, &self.vars))
            }
        }
    }

    /// Whether the content holds placeholders to fill in.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.content.template != Template::Off
    }

    /// How much is to be known of it: what was asked for, else for the batch's content `default` (see
    /// [`default_results`]), else `each`.
    #[must_use]
    pub fn results(&self, default: Results) -> Results {
        let default = if self.inherits_content { default } else { Results::Each };
        self.options.results.unwrap_or(default)
    }

    /// The sender: its own, else the provider's default.
    ///
    /// # Errors
    /// `sender_invalid` when there is neither.
    pub fn sender<'m>(&'m self, default: Option<&'m Sender>) -> Result<&'m Sender, Refusal> {
        self.from.as_deref().or(default).ok_or_else(|| {
            Refusal::new(
                ErrorCode::SenderInvalid,
                "/from",
                "no sender: give `from`, or `default_sender` to the provider",
            )
        })
    }

    /// One vendor's extensions of this message.
    #[must_use]
    pub fn extension(&self, vendor: &str) -> Option<&serde_json::Map<String, serde_json::Value>> {
        self.extensions.get(vendor)
    }
}
