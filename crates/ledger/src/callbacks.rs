//! The side of the ledger that whoever tells receivers of batches needs: which endpoints are due, the events
//! themselves, and what came of attempts. What is to be told is noted where it happens, in the same transaction.

use crate::error::{Error, Result};
use crate::ledger::{Ledger, Store};
use crate::sqlite;

/// Who is told what became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCallback {
    /// Where.
    pub url: String,
    /// Also as messages become final or are revised, not only when the batch settles.
    pub each: bool,
}

/// What an event tells. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// Messages became final.
    MessagesSettled = 0,
    /// Messages that were told as unknown became something else.
    MessagesRevised = 1,
    /// Every message of the batch is final.
    BatchSettled = 2,
}

impl EventKind {
    pub(crate) const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::MessagesSettled),
            1 => Some(Self::MessagesRevised),
            2 => Some(Self::BatchSettled),
            _ => None,
        }
    }
}

/// Something to be told at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id in the ledger.
    pub id: i64,
    /// The batch.
    pub batch_id: String,
    /// Which event of its batch it is, from 1.
    pub sequence: i64,
    /// What it tells.
    pub kind: EventKind,
    /// Since when there is something to tell.
    pub created_ms: i64,
    /// Attempts so far.
    pub attempts: u32,
    /// How far it is in the schedule of retries.
    pub step: u32,
    /// How often it was replayed.
    pub replays: u32,
    /// The messages: parcels by their places in the batch, and places in the parcel.
    pub items: Vec<(u32, Vec<u16>)>,
}

/// An event that cannot be read. Recorded as one that failed, it holds up no other and is given up in the end.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Its id in the ledger.
    pub id: i64,
    /// How often it was replayed.
    pub replays: u32,
    /// How far it is in the schedule of retries.
    pub step: u32,
    /// What is wrong with it.
    pub error: Error,
}

/// What there is for an endpoint now.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Whose it is.
    pub app: String,
    /// Where it is.
    pub url: String,
    /// What it is to be told now.
    pub events: Vec<Event>,
    /// What it should be told and cannot be.
    pub unreadable: Vec<Unreadable>,
}

/// What is under way, when it is asked for more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Underway {
    /// Apps that get no more now.
    pub apps: Vec<String>,
    /// Endpoints that get no more now.
    pub endpoints: Vec<i64>,
    /// Events of other endpoints: their endpoints and they themselves.
    pub events: Vec<(i64, i64)>,
}

/// An endpoint that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEndpoint {
    /// Its id in the ledger.
    pub id: i64,
    /// Whose it is.
    pub app: String,
}

/// Endpoints that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueEndpoints {
    /// To be looked at now: by app, and of each app those first that were asked longest ago.
    pub due: Vec<DueEndpoint>,
    /// When the next one will be.
    pub next_ms: Option<i64>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The receiver took it.
    Delivered,
    /// It did not.
    Failed {
        /// When to try again; none gives the event up. After an attempt out of turn neither counts.
        retry_ms: Option<i64>,
        /// An endpoint that fails again and again is left alone for as long as it fails already, at least and at
        /// most so long.
        hold_ms: (i64, i64),
        /// Until when the receiver asked to be left alone.
        wait_until_ms: Option<i64>,
        /// Why to tell it nothing more.
        disable: Option<String>,
        /// The same after it only failed for so long.
        disable_after_ms: i64,
    },
}

/// An attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The event.
    pub event: i64,
    /// How often the event was replayed when the attempt began. An event that was replayed since is told again.
    pub replays: u32,
    /// The endpoint.
    pub endpoint: i64,
    /// When.
    pub now_ms: i64,
    /// What to show people of the answer.
    pub answer: String,
    /// What follows.
    pub came_of: Attempted,
}

/// What followed from an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// The endpoint is told nothing more.
    pub disabled: bool,
    /// The event is given up.
    pub given_up: bool,
}

/// A receiver of callbacks: an app and a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id in the ledger.
    pub id: i64,
    /// Whose it is.
    pub app: String,
    /// Where it is.
    pub url: String,
    /// Since when it is known.
    pub created_ms: i64,
    /// Left alone until then.
    pub not_before_ms: i64,
    /// Failures since the last success.
    pub failures: u64,
    /// When the first of those was.
    pub failing_since_ms: Option<i64>,
    /// Since when it is told nothing.
    pub disabled_ms: Option<i64>,
    /// Why.
    pub disabled_why: Option<String>,
    /// Events that it took.
    pub delivered: u64,
    /// Events that were given up.
    pub given_up: u64,
    /// When it was asked last.
    pub last_ms: Option<i64>,
    /// What came of that.
    pub last_answer: Option<String>,
    /// Events that wait, and batches of which there is more to tell.
    pub waiting: u64,
}

impl Ledger {
    /// The endpoints for which there is more than what is under way, at most so many of each app, and when the
    /// next one is.
    pub async fn due_endpoints(&self, now_ms: i64, limit: usize, underway: Underway) -> Result<DueEndpoints> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::FindDue { now_ms, limit, underway }).await,
        }
    }

    /// Makes events of what is to be told at an endpoint, and answers those that are due and not `busy`, which count
    /// against `limit`. None while it is disabled or left alone; one at a time while it fails. An endpoint for
    /// which there is nothing is due again when there is.
    pub async fn take_events(
        &self,
        endpoint: i64,
        now_ms: i64,
        limit: usize,
        busy: Vec<i64>,
    ) -> Result<Option<Taken>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::TakeEvents { endpoint, now_ms, limit, busy }).await,
        }
    }

    /// Records an attempt.
    pub async fn end_attempt(&self, attempt: Attempt) -> Result<Ended> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::EndAttempt(attempt)).await,
        }
    }

    /// Lists endpoints, of one app or of all, from after `after` on.
    pub async fn endpoints(&self, app: Option<&str>, after: i64, limit: usize) -> Result<Vec<Endpoint>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let list = sqlite::ListEndpoints { app: app.map(str::to_owned), id: None, after, limit };
        match &self.store {
            Store::Sqlite(store) => store.read(list).await,
        }
    }

    /// One endpoint.
    pub async fn endpoint(&self, id: i64) -> Result<Option<Endpoint>> {
        let list = sqlite::ListEndpoints { app: None, id: Some(id), after: i64::MIN, limit: 1 };
        match &self.store {
            Store::Sqlite(store) => Ok(store.read(list).await?.pop()),
        }
    }

    /// How many endpoints are disabled, and how many events wait, batches of which there is more to tell counted
    /// as one each.
    pub async fn count_callbacks(&self) -> Result<(u64, u64)> {
        match &self.store {
            Store::Sqlite(store) => store.read(sqlite::CountCallbacks).await,
        }
    }

    /// Lets an endpoint go on; says whether there is such a one.
    pub async fn enable_endpoint(&self, endpoint: i64, now_ms: i64) -> Result<bool> {
        match &self.store {
            Store::Sqlite(store) => store.write(sqlite::Enable { endpoint, now_ms }).await,
        }
    }

    /// Has an endpoint told again what was made for it in a span of time, under the same numbers; answers how many
    /// events that are. In slices: other commands go between.
    pub async fn replay_endpoint(
        &self,
        endpoint: i64,
        (since_ms, until_ms): (i64, i64),
        now_ms: i64,
    ) -> Result<u64> {
        let (mut events, mut after) = (0, (since_ms, i64::MIN));
        loop {
            let step = sqlite::ReplayStep { endpoint, after, until_ms, now_ms };
            let (taken, more) = match &self.store {
                Store::Sqlite(store) => store.write(step).await?,
            };
            events += taken;
            match more {
                Some(last) => after = last,
                None => return Ok(events),
            }
        }
    }
}
