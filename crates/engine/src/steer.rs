//! What people do to work that is under way: pausing, resuming and cancelling batches, pausing and asking
//! providers. The ledger decides and remembers; the lanes are told to look at once.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use interline_core::adapter::Request;
use interline_ledger::{BatchState, Error as LedgerError, ErrorKind, Fact, Ledger};

use crate::clock;
use crate::denied::Denied;
use crate::engine::Engine;
use crate::lane::Event;
use crate::settings::EngineSettings;
use crate::view::{BatchView, Probed, ProviderView};

/// The kind of fact that a provider is paused.
pub(crate) const PAUSE: &str = "pause";
/// How long a lane may take to show that it heard of its pause.
const HEARD: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How long a question to a provider's server may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What may be done to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Let nothing more of it leave.
    Pause,
    /// Go on with a paused one.
    Resume,
    /// Withdraw what has not left.
    Cancel,
}

impl Steer {
    const fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
        }
    }
}

/// That a provider is paused, from now on.
fn pause_of(name: &str) -> Fact {
    Fact { kind: PAUSE.to_owned(), name: name.to_owned(), value: b"1".to_vec(), changed_ms: clock::now_ms() }
}

impl Engine {
    /// Pauses, resumes or cancels a batch. What is under way ends and counts, whatever is asked for.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where its state does not allow it.
    pub async fn steer(&self, batch_id: &str, steer: Steer) -> Result<BatchView, Denied> {
        let (ledger, now_ms) = (&self.inner.ledger, clock::now_ms());
        let done = match steer {
            Steer::Pause => ledger.pause_batch(batch_id, now_ms).await,
            Steer::Resume => ledger.resume_batch(batch_id, now_ms).await,
            Steer::Cancel => ledger.cancel_batch(batch_id, now_ms).await,
        };
        if let Err(error) = done {
            return Err(self.not_steered(batch_id, steer, error).await);
        }
        for lane in self.lanes().values() {
            // A lane that has stopped looks at the next start.
            drop(lane.events.send(Event::Recheck));
        }
        let batch = self.batch(batch_id).await?.ok_or(Denied::NotFound)?;
        if batch.settled_ms.is_some() {
            // Nobody may be listening.
            drop(self.inner.announce.send(batch_id.to_owned()));
        }
        Ok(batch)
    }

    async fn not_steered(&self, batch_id: &str, steer: Steer, error: LedgerError) -> Denied {
        if error.kind() != ErrorKind::Conflict {
            return error.into();
        }
        let batch = match self.inner.ledger.batch(batch_id).await {
            Ok(Some(batch)) => batch,
            Ok(None) => return Denied::NotFound,
            Err(error) => return error.into(),
        };
        let why = match batch.head.state {
            _ if batch.direct => "it was sent at once; nothing of it waits here",
            BatchState::Receiving => "its upload is still under way",
            BatchState::Settled => "every message of it is settled",
            BatchState::Cancelled => "it was cancelled",
            BatchState::Scheduled | BatchState::Queued | BatchState::Sending | BatchState::Paused => {
                "its state changed meanwhile; try again"
            }
        };
        let state = batch.head.state.word();
        Denied::Conflict(format!("a batch that is {state} cannot be {}: {why}", steer.done()))
    }

    /// Pauses every provider before an engine starts with them on this ledger, those too that only have work
    /// waiting there: nothing that it holds leaves before somebody resumes its provider.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn pause_all(settings: &EngineSettings, ledger: &Ledger) -> Result<(), LedgerError> {
        let mut names: BTreeSet<String> =
            ledger.status().await?.queues.into_iter().map(|queue| queue.provider).collect();
        names.extend(settings.providers.iter().map(|provider| provider.name.to_string()));
        for name in names {
            ledger.remember(pause_of(&name)).await?;
        }
        Ok(())
    }

    /// Pauses a provider, or lets it go on. A pause outlives a restart.
    ///
    /// # Errors
    /// `NoProvider`, or the ledger's.
    pub async fn pause_provider(&self, name: &str, pause: bool) -> Result<ProviderView, Denied> {
        let lanes = self.lanes();
        let lane = lanes.get(name).ok_or_else(|| Denied::NoProvider(name.to_owned()))?;
        if pause {
            self.inner.ledger.remember(pause_of(name)).await?;
        } else {
            self.inner.ledger.forget(PAUSE, name).await?;
        }
        // A lane that has stopped begins as the ledger says.
        drop(lane.events.send(Event::Pause(pause)));
        let heard = async {
            while lane.view.lock().unwrap_or_else(PoisonError::into_inner).paused != pause {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(HEARD, heard).await.is_err() {
            tracing::warn!(provider = name, pause, "the lane is slow to hear of its pause");
        }
        self.provider(name)
    }

    /// One provider and how it is doing.
    ///
    /// # Errors
    /// `NoProvider`.
    pub fn provider(&self, name: &str) -> Result<ProviderView, Denied> {
        let found = self.providers().into_iter().find(|provider| provider.name == name);
        found.ok_or_else(|| Denied::NoProvider(name.to_owned()))
    }

    /// Asks a provider's server whether it is there and what it speaks, with requests that reach nobody.
    ///
    /// # Errors
    /// `NoProvider`.
    pub async fn ask_provider(&self, name: &str) -> Result<Probed, Denied> {
        let book = self.book();
        let provider = book.providers.get(name).ok_or_else(|| Denied::NoProvider(name.to_owned()))?;
        let vendor = provider.settings.vendor;
        let mut requests = (vendor.probes)(&provider.settings.settings);
        if requests.is_empty() {
            requests.push(Request::get("/"));
        }
        let (mut replies, mut reachable) = (Vec::new(), false);
        let mut dialect = None;
        for request in requests {
            let reply = provider.transport.send(request, PROBE_TIMEOUT).await.ok();
            reachable |= reply.is_some();
            replies.push(reply);
            dialect = (vendor.recognise)(&replies);
            if dialect.is_some() {
                break;
            }
        }
        Ok(Probed { provider: name.to_owned(), reachable, dialect: dialect.filter(|_| reachable) })
    }
}
