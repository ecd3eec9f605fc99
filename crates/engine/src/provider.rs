//! A provider at run time: its adapter (once the dialect is known), connections, token and limits; and
//! the [`Book`], the snapshot of all providers and routes that decides where a message goes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use interline_core::adapter::{Adapter, Loss, Reply, Request};
use interline_core::error::{Error, ErrorKind, Failure, Refusal};
use interline_core::message::Message;
use interline_core::options::Results;
use interline_core::profile::Profile;
use interline_core::route::{Detour, Moment, Routes};

use crate::callback::CallbackSettings;
use crate::migration::Migrations;
use crate::pace::Pace;
use crate::settings::{Delivery, EngineSettings, ProviderSettings};
use crate::token::TokenCache;
use crate::trace::ExchangeSpan;
use crate::transport::Transport;

/// A message by its provider's ids, where they are others, and what would be lost.
pub(crate) type Checked = (Option<Arc<Message>>, Vec<Loss>);

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// An account at a vendor, with everything that talking to it needs.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) settings: ProviderSettings,
    pub(crate) transport: Transport,
    pub(crate) token: Arc<TokenCache>,
    spoken: RwLock<Option<Arc<dyn Adapter>>>,
    assumed: Arc<dyn Adapter>,
    /// Whether it was at another server under this name before.
    moved: bool,
}

impl Provider {
    /// A provider, or what it becomes of the one before. Connections, what the server was found to speak and
    /// tokens are kept as far as they fit.
    fn new(settings: ProviderSettings, before: Option<&Self>) -> Result<Self, Error> {
        let first = settings.vendor.dialects.first().copied().unwrap_or_default();
        let fixed = settings.dialect.clone();
        let assumed = build(&settings, fixed.as_deref().unwrap_or(first))?;
        let same_server = before.filter(|before| before.settings.is_at(&settings));
        let spoken = match (&fixed, same_server.and_then(Self::adapter)) {
            (Some(_), _) => Some(Arc::clone(&assumed)),
            // It is the same server still; where it was told what it speaks, that is asked again.
            (None, Some(known)) if same_server.is_some_and(Self::is_auto) => {
                Some(build(&settings, known.profile().dialect)?)
            }
            (None, Some(_) | None) => None,
        };
        let transport = match same_server {
            Some(before) => before.transport.clone(),
            None => Transport::new(&settings.base_url)?,
        };
        let same_account = same_server.filter(|before| before.settings.is_account(&settings));
        let token = same_account.map(|before| Arc::clone(&before.token)).unwrap_or_default();
        let moved = before.is_some_and(|before| before.moved || same_server.is_none());
        Ok(Self { settings, transport, token, spoken: RwLock::new(spoken), assumed, moved })
    }

    /// Whether what is remembered of this name is of another server.
    pub(crate) fn is_moved(&self) -> bool {
        self.moved && self.adapter().is_none()
    }

    /// Sends a request that carries no message, within a span of its own.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub(crate) async fn exchange(
        &self,
        what: &'static str,
        mut request: Request,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let (name, vendor) = (&self.settings.name, self.settings.vendor.name);
        let span = ExchangeSpan::begin(what, (name, vendor), &mut request.headers);
        let answered = self.transport.send(request, timeout).await;
        span.into_iter().for_each(|span| span.end(answered.as_ref().map(|reply| reply.status)));
        answered
    }

    /// The adapter for the dialect that the server speaks; none while that is not known.
    pub(crate) fn adapter(&self) -> Option<Arc<dyn Adapter>> {
        self.spoken.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The adapter to check and plan with: of the spoken dialect, else of the likeliest.
    pub(crate) fn assumed(&self) -> Arc<dyn Adapter> {
        self.adapter().unwrap_or_else(|| Arc::clone(&self.assumed))
    }

    /// Checks a message with an adapter of this provider: what it is there, by its ids there, and what would be
    /// lost.
    pub(crate) fn check(
        &self,
        adapter: &dyn Adapter,
        message: &Message,
        results: Results,
    ) -> Result<Checked, Refusal> {
        let mapped = self.settings.ids.map(message)?;
        let losses = adapter.check(mapped.as_deref().unwrap_or(message), results)?;
        Ok((mapped, losses))
    }

    /// Whether the dialect is found out and not configured.
    pub(crate) const fn is_auto(&self) -> bool {
        self.settings.dialect.is_none()
    }

    /// Speaks `dialect` from now on.
    pub(crate) fn speak(&self, dialect: &str) -> Result<(), Error> {
        let adapter = build(&self.settings, dialect)?;
        *self.spoken.write().unwrap_or_else(PoisonError::into_inner) = Some(adapter);
        Ok(())
    }

    /// Forgets the dialect, where it is found out.
    pub(crate) fn doubt(&self) {
        if self.is_auto() {
            *self.spoken.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Asks the server with requests that reach nobody which dialect it speaks.
    pub(crate) async fn probe(&self) -> Option<&'static str> {
        let mut replies: Vec<Option<Reply>> = Vec::new();
        // A vendor with one dialect needs no question.
        if let Some(dialect) = (self.settings.vendor.recognise)(&replies) {
            return Some(dialect);
        }
        for request in (self.settings.vendor.probes)(&self.settings.settings) {
            replies.push(self.transport.send(request, PROBE_TIMEOUT).await.ok());
            if let Some(dialect) = (self.settings.vendor.recognise)(&replies) {
                return Some(dialect);
            }
        }
        None
    }

    /// The limits of every quota class of a profile.
    pub(crate) fn paces(&self, profile: &Profile) -> Vec<Pace> {
        let own = |name: &str| self.settings.limits.get(name).copied().unwrap_or_default();
        profile.classes.iter().map(|class| Pace::new(class, own(class.name))).collect()
    }

    /// Calls under way at once.
    pub(crate) fn in_flight(&self) -> usize {
        self.settings.in_flight.unwrap_or_else(|| self.assumed().profile().in_flight).max(1)
    }

    /// How long a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.settings.timeout.unwrap_or_else(|| self.assumed().profile().timeout)
    }
}

fn build(settings: &ProviderSettings, dialect: &str) -> Result<Arc<dyn Adapter>, Error> {
    (settings.vendor.build)(&settings.settings, dialect).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Error::new(ErrorKind::Config, "cannot use the provider's settings")
            .with("provider", &settings.name)
            .because(errors.join("; "))
    })
}

/// Providers and routes, as one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) routes: Arc<Routes>,
    pub(crate) migrations: Arc<Migrations>,
    pub(crate) providers: HashMap<Arc<str>, Arc<Provider>>,
    pub(crate) delivery: Delivery,
    pub(crate) vendor_names: Arc<[&'static str]>,
    pub(crate) max_batch_messages: u64,
    pub(crate) callbacks: Arc<CallbackSettings>,
}

impl Book {
    /// The book of a configuration. Providers that are configured as before stay the same.
    pub(crate) fn new(settings: EngineSettings, before: Option<&Self>) -> Result<Self, Error> {
        let vendor_names = settings.vendors.iter().map(|vendor| vendor.name).collect();
        let mut providers = HashMap::new();
        for provider in settings.providers {
            let old = before.and_then(|before| before.providers.get(&provider.name));
            let name = Arc::clone(&provider.name);
            let next = match old.filter(|old| old.settings.is_same(&provider)) {
                Some(old) => Arc::clone(old),
                None => Arc::new(Provider::new(provider, old.map(|old| &**old))?),
            };
            providers.insert(name, next);
        }
        Ok(Self {
            routes: Arc::new(settings.routes),
            migrations: Arc::default(),
            providers,
            delivery: settings.delivery,
            vendor_names,
            max_batch_messages: settings.max_batch_messages,
            callbacks: Arc::new(settings.callbacks),
        })
    }

    /// What a message is routed by at a time, Unix milliseconds.
    pub(crate) fn moment(&self, now_ms: i64) -> Moment<'_> {
        let detour: &dyn Detour = &*self.migrations;
        Moment { now_ms, detour: (!self.migrations.is_empty()).then_some(detour) }
    }
}
