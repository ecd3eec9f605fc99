//! A lane: the queue, the limiters and the calls of one provider. One task owns everything; claims,
//! calls and writes run beside it and report back as events, so that no lock is ever held.

mod arrive;
mod borrow;
mod call;
mod claim;
mod depart;
mod divert;
mod due;
mod entry;
mod handle;
mod late;
mod lease;
mod loan;
mod lookup;
mod parcel;
mod reroute;
mod settler;
mod stop;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use interline_core::breaker::{Breaker, BreakerSettings};
use interline_core::draw::{Drawer, Waiting};
use interline_ledger::Claim;
use settler::Write;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) use claim::deadline;
pub(crate) use entry::{Entry, too_late};
pub(crate) use handle::{Beginning, Event, LaneHandle, LaneView, Surroundings};
use lease::RENEW_MS;
pub(crate) use loan::Lanes;
use parcel::Stop;
pub(crate) use parcel::{After, BatchRef, DirectDone, DirectSink, HeldParcel, Judgement, Origin};

use crate::clock::{self, JumpWatch};
use crate::metrics::LaneMeter;
use crate::pace::Pace;
use crate::provider::Provider;

/// The lane's handle of a message: the parcel's key and the position in it.
pub(crate) type Ticket = (u32, u16);

/// What a call may take beside its answer: a token, the ledger, its slot.
pub(crate) const CALL_SLACK: Duration = Duration::from_secs(20);
/// How often an idle lane looks by itself, in milliseconds.
const POLL_MS: i64 = 2_000;

/// The task of one provider.
pub(crate) struct Lane {
    provider: Arc<Provider>,
    around: Surroundings,
    events: mpsc::UnboundedSender<Event>,
    view: Arc<Mutex<LaneView>>,
    settler: mpsc::UnboundedSender<Write>,
    settling: JoinHandle<()>,
    drawer: Drawer<Ticket>,
    parcels: HashMap<u32, HeldParcel>,
    next_key: u32,
    paces: Vec<Pace>,
    /// Limits of classes that the provider had before, and what was used of them.
    kept_paces: Vec<Pace>,
    legacy: Arc<Mutex<Vec<Pace>>>,
    /// Who gets what waits, where the provider goes away.
    drains_to: Option<Arc<str>>,
    /// Whether the provider is gone from the configuration: what waits is routed on, and nothing else is done.
    gone: bool,
    /// The class that is served first next time.
    class_turn: usize,
    /// Messages that wait for their time.
    later: BTreeMap<(i64, u64), Waiting<Ticket>>,
    later_count: u64,
    in_flight: usize,
    /// Messages and bytes held from the ledger.
    window: (usize, usize),
    claiming: bool,
    /// Whether the lane was woken since the last claim began.
    woken: bool,
    /// Whether everything in the ledger is claimed once to be routed again, also while nothing may leave.
    looks_through: bool,
    claim_at_ms: i64,
    renew_at_ms: i64,
    renewing: bool,
    probing: bool,
    probe_at_ms: i64,
    stopping: Option<oneshot::Sender<()>>,
    trouble: Option<String>,
    breaker: Breaker,
    paused: bool,
    /// Whether any message so far had a fallback.
    has_fallbacks: bool,
    /// Messages without a willing fallback, while nothing may leave.
    aside: Vec<Waiting<Ticket>>,
    aside_at_ms: i64,
    /// What other lanes have of this one's messages.
    lent: HashMap<Ticket, Waiting<Ticket>>,
    /// What vendors are asked about, by when.
    questions: BTreeMap<(i64, u64), lookup::Asking>,
    asks_under_way: usize,
    sweep_at_ms: i64,
    clock: JumpWatch,
    /// What was given up while it was under way.
    late: HashMap<u32, late::Late>,
    meter: LaneMeter,
    /// When it was last said that the vendor asks for pauses of a class, and how many came since.
    pauses_said: BTreeMap<&'static str, (i64, u32)>,
}

impl Lane {
    /// Starts the task.
    pub(crate) fn start(provider: Arc<Provider>, around: Surroundings, begins: Beginning) -> LaneHandle {
        let Beginning { paused, paces: kept_paces } = begins;
        let (events, inbox) = mpsc::unbounded_channel();
        let (settler, settled) = mpsc::unbounded_channel();
        let view = Arc::new(Mutex::new(LaneView::new(paused)));
        let settling = tokio::spawn(settler::run(
            around.ledger.clone(),
            settled,
            events.downgrade(),
            around.announce.clone(),
            Arc::clone(&around.peers),
        ));
        let legacy = Arc::new(Mutex::new(Vec::new()));
        let call_timeout_ms = provider.timeout().saturating_add(CALL_SLACK).as_millis();
        let breaker = BreakerSettings {
            call_timeout_ms: i64::try_from(call_timeout_ms).unwrap_or(i64::MAX),
            ..BreakerSettings::default()
        };
        // What was stored before may be somebody else's by now.
        let looks_through = !around.book.now().migrations.is_empty();
        let meter = around.metrics.of_lanes.of(&provider.settings.name);
        let mut lane = Self {
            provider,
            around,
            events: events.clone(),
            view: Arc::clone(&view),
            settler,
            settling,
            drawer: Drawer::default(),
            parcels: HashMap::new(),
            next_key: 0,
            paces: Vec::new(),
            kept_paces,
            legacy: Arc::clone(&legacy),
            drains_to: None,
            gone: false,
            class_turn: 0,
            later: BTreeMap::new(),
            later_count: 0,
            in_flight: 0,
            window: (0, 0),
            claiming: false,
            woken: false,
            looks_through,
            claim_at_ms: 0,
            renew_at_ms: clock::now_ms() + RENEW_MS,
            renewing: false,
            probing: false,
            probe_at_ms: 0,
            stopping: None,
            trouble: None,
            breaker: Breaker::new(breaker),
            paused,
            has_fallbacks: false,
            aside: Vec::new(),
            aside_at_ms: 0,
            lent: HashMap::new(),
            questions: BTreeMap::new(),
            asks_under_way: 0,
            sweep_at_ms: 0,
            clock: JumpWatch::new(),
            late: HashMap::new(),
            meter,
            pauses_said: BTreeMap::new(),
        };
        if let Some(adapter) = lane.provider.adapter() {
            lane.renew_paces(&*adapter);
        }
        lane.reroute();
        tokio::spawn(lane.run(inbox));
        LaneHandle { events, view, legacy }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Event>) {
        let mut events = Vec::with_capacity(64);
        loop {
            let pause = self.turn();
            self.show();
            if self.stopping.is_some() && self.in_flight == 0 && !self.claiming && self.lent.is_empty() {
                // What came in meanwhile is answered before the door is shut.
                inbox.close();
                while let Ok(event) = inbox.try_recv() {
                    self.handle(event);
                }
                self.leave().await;
                return;
            }
            tokio::select! {
                count = inbox.recv_many(&mut events, 64) => {
                    if count == 0 {
                        return;
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
            for event in events.drain(..) {
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Direct(parcel) => self.taken(*parcel),
            Event::Withdraw(id) => self.withdraw(id),
            Event::Wake => {
                self.claim_at_ms = 0;
                self.woken = true;
            }
            Event::Drained => self.claimed(None),
            Event::Claimed(claimed) => self.claimed(claimed.map(|claimed| *claimed)),
            Event::NextDue(due) => {
                let now_ms = clock::now_ms();
                if !self.woken {
                    self.looks_through = false;
                    self.claim_at_ms = due.unwrap_or(i64::MAX).clamp(now_ms, now_ms + POLL_MS);
                }
            }
            Event::Renewed(found) => self.renewed(found),
            Event::Recheck => {
                self.renew_at_ms = 0;
                self.claim_at_ms = 0;
                self.woken = true;
            }
            Event::Pause(paused) => {
                self.paused = paused;
                if paused {
                    self.give_all_back();
                }
            }
            Event::Lent(parcel) => self.borrow_parcel(*parcel),
            Event::Returned(returned) => self.returned(*returned),
            Event::Recall { provider, key, at_once } => self.recall_loan(&provider, key, at_once),
            Event::Answered(answer) => self.answered(*answer),
            Event::Arrived(arrival) => self.arrived(*arrival),
            Event::Over(calls) => self.in_flight = self.in_flight.saturating_sub(calls),
            Event::Probed(provider, dialect) if Arc::ptr_eq(&provider, &self.provider) => {
                self.probed(dialect)
            }
            // The server that answered is no longer this provider's.
            Event::Probed(..) => self.probing = false,
            Event::Provider(provider) => self.provided(provider),
            Event::Reroute => {
                self.looks_through = true;
                self.claim_at_ms = 0;
                self.woken = true;
                self.reroute();
            }
            Event::Replaced(name) => self.disown(&name),
            Event::Gone(gone) => {
                self.gone = gone;
                (self.claim_at_ms, self.woken) = (0, true);
                self.reroute();
            }
            Event::Stop(done) => {
                self.stopping = Some(done);
                self.give_all_back();
                self.recall(None, false);
                // Who waits for what has not left hears of it at once.
                let direct = self.parcels.iter().filter(|(_, held)| matches!(held.origin, Origin::Direct(_)));
                let direct: Vec<u32> = direct.map(|(key, _)| *key).collect();
                direct.into_iter().for_each(|key| self.stop_parcel(key, Stop::Recalled));
            }
        }
    }

    /// One turn of the wheel: what is due, a claim if there is room, all calls that may go. Returns how
    /// long nothing will happen by itself.
    fn turn(&mut self) -> Duration {
        self.follow_clock();
        let now_ms = clock::now_ms();
        let mut next_ms = now_ms + POLL_MS;
        self.put_back_due(now_ms);
        if self.stopping.is_some() {
            return Duration::from_millis(100);
        }
        if let Some(dialect_at) = self.ask_dialect(now_ms) {
            next_ms = next_ms.min(dialect_at);
        }
        // First the leases: a lane that slept must not claim its own parcels.
        self.renew(now_ms);
        next_ms = next_ms.min(self.ask_ledger(now_ms));
        if let Some(ask_at) = self.ask_vendor(now_ms) {
            next_ms = next_ms.min(ask_at);
        }
        let frozen = self.paces.iter().any(|pace| pace.frozen_until_ms > now_ms);
        if frozen || self.paused || self.breaker.refuses(now_ms) || self.provider.adapter().is_none() {
            self.sweep(now_ms);
        }
        self.hand_over();
        if self.paused {
            return Duration::from_millis(u64::try_from(next_ms - now_ms).unwrap_or_default());
        }
        self.divert(now_ms);
        if !self.aside.is_empty() {
            next_ms = next_ms.min(self.aside_at_ms.max(now_ms + 1));
        }
        let wait = self.depart(now_ms);
        // Departing may have held messages back for later, too.
        if let Some(((later_ms, _), _)) = self.later.first_key_value() {
            next_ms = next_ms.min((*later_ms).max(now_ms));
        }
        let pause = Duration::from_millis(u64::try_from(next_ms - now_ms).unwrap_or_default());
        wait.map_or(pause, |wait| wait.min(pause))
    }

    /// Finds out the dialect where it is not known. Returns when to ask again.
    fn ask_dialect(&mut self, now_ms: i64) -> Option<i64> {
        if self.provider.adapter().is_some() {
            return None;
        }
        // What is under way was written in the old dialect: it comes back first.
        if self.probing || self.in_flight > 0 || self.probe_at_ms > now_ms {
            return Some(self.probe_at_ms.max(now_ms + 100));
        }
        self.probing = true;
        let (provider, events) = (Arc::clone(&self.provider), self.events.clone());
        tokio::spawn(async move {
            let dialect = provider.probe().await;
            // The lane may be gone by now.
            drop(events.send(Event::Probed(provider, dialect)));
        });
        None
    }

    fn probed(&mut self, dialect: Option<&'static str>) {
        self.probing = false;
        let Some(dialect) = dialect else {
            self.lend_unread();
            self.probe_at_ms = clock::now_ms() + 1_000;
            self.trouble = Some(
                "the server's dialect is not known yet: no probe was answered as a known one answers"
                    .to_owned(),
            );
            return;
        };
        match self.provider.speak(dialect) {
            Ok(()) => {
                tracing::info!(provider = %self.provider.settings.name, dialect, "dialect recognised");
                self.trouble = None;
                self.remember_dialect(dialect);
                self.spoken();
            }
            Err(error) => {
                self.probe_at_ms = clock::now_ms() + 10_000;
                self.trouble = Some(error.to_string());
            }
        }
    }

    fn remember_dialect(&self, dialect: &'static str) {
        let (ledger, name) = (self.around.ledger.clone(), self.provider.settings.name.to_string());
        tokio::spawn(async move {
            let fact = interline_ledger::Fact {
                kind: "dialect".to_owned(),
                name,
                value: dialect.as_bytes().to_vec(),
                changed_ms: clock::now_ms(),
            };
            if let Err(error) = ledger.remember(fact).await {
                tracing::warn!(error = %error, "the dialect could not be remembered; it will be asked for again");
            }
        });
    }

    /// What was disproved is not recalled at the next start.
    fn forget_dialect(&self) {
        if !self.provider.is_auto() {
            return;
        }
        let (ledger, name) = (self.around.ledger.clone(), self.provider.settings.name.to_string());
        tokio::spawn(async move {
            if let Err(error) = ledger.forget("dialect", &name).await {
                tracing::warn!(provider = name, error = %error, "a dialect that is not spoken could not be forgotten");
            }
        });
    }

    pub(super) fn entry(&self, (key, position): Ticket) -> Option<&Entry> {
        self.parcels.get(&key)?.entries.get(usize::from(position))
    }

    pub(super) fn entry_mut(&mut self, (key, position): Ticket) -> Option<&mut Entry> {
        self.parcels.get_mut(&key)?.entries.get_mut(usize::from(position))
    }

    /// Gives back what is not under way, after the last call came back.
    async fn leave(mut self) {
        // No call is under way: what still is, is asked about, and its home lane waits to hear of it.
        let borrowed: Vec<u32> =
            self.parcels.iter().filter(|(_, parcel)| parcel.home().is_some()).map(|(key, _)| *key).collect();
        borrowed.into_iter().for_each(|key| self.give_up(key));
        let claims: Vec<Claim> = self.claims().map(|(_, claim)| claim).collect();
        let withdrawn: Vec<u64> = self
            .parcels
            .values()
            .filter_map(|parcel| match &parcel.origin {
                Origin::Direct(sink) => Some(sink.id),
                Origin::Stored(_) | Origin::Lent(_) => None,
            })
            .collect();
        for id in withdrawn {
            self.withdraw(id);
        }
        let Self { provider, around, stopping, settler, settling, mut paces, mut kept_paces, legacy, .. } =
            self;
        paces.append(&mut kept_paces);
        *legacy.lock().unwrap_or_else(PoisonError::into_inner) = paces;
        // A claim is given back only when all that was settled under it is written.
        drop(settler);
        if let Err(error) = settling.await {
            tracing::error!(provider = %provider.settings.name, error = %error, "results were not all written");
        }
        let ledger = around.ledger;
        for claim in claims {
            if let Err(error) = ledger.release(claim, 0).await {
                tracing::warn!(provider = %provider.settings.name, error = %error, "a parcel could not be given back; its lease will run out");
            }
        }
        if let Some(done) = stopping {
            // Whoever asked may have stopped waiting.
            done.send(()).unwrap_or_default();
        }
    }

    fn show(&self) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        (view.waiting, view.oldest_ms) = self.parcels.values().filter(|parcel| parcel.open > 0).fold(
            (0, None),
            |(open, oldest): (usize, Option<i64>), parcel| {
                let begins_ms = parcel.batch.begins_ms;
                (open + parcel.open, Some(oldest.map_or(begins_ms, |oldest| oldest.min(begins_ms))))
            },
        );
        view.in_flight = self.in_flight;
        if view.trouble != self.trouble {
            view.trouble.clone_from(&self.trouble);
        }
        view.frozen.clear();
        let now_ms = clock::now_ms();
        view.breaker = self.breaker.state(now_ms);
        view.paused = self.paused;
        view.draining = self.drains_to.is_some() || self.gone;
        view.willing = self.stopping.is_none()
            && self.drains_to.is_none()
            && !self.gone
            && !self.paused
            && self.provider.adapter().is_some()
            && !self.breaker.refuses(now_ms);
        let frozen = self.paces.iter().filter(|pace| pace.frozen_until_ms > now_ms);
        view.frozen.extend(frozen.map(|pace| (pace.class, pace.frozen_until_ms)));
    }
}
