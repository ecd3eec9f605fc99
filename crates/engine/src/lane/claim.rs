//! Opens claimed parcels: reads their messages again with the adapter that is spoken now, and takes
//! over what earlier attempts left. What was interrupted while it was sent is *unknown*, never queued.

use std::sync::Arc;

use interline_core::adapter::Adapter;
use interline_core::error::{ErrorCode, Failure};
use interline_core::message::Head;
use interline_core::options::Results;
use interline_core::outcome::{Outcome, Status};
use interline_core::pack;
use interline_core::read::{self, Identity, Path, Problems};
use interline_core::record::CallRecord;
use interline_ledger::{BatchState, ClaimedParcel, SendingRow, Settled};

use super::entry::Entry;
use super::parcel::{After, BatchRef, HeldParcel, Judgement, Origin};
use super::reroute::common_target;
use crate::clock;
use crate::intake::Terms;
use crate::provider::{Book, Provider};
use crate::trace;

/// A claimed parcel, ready for a lane, and what was settled while it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) parcel: HeldParcel,
    pub(crate) settled: Vec<Settled>,
    /// Messages that wait, by position, with the time before which they must not go.
    pub(crate) waiting: Vec<(u16, i64)>,
    /// Messages that the vendor is to be asked about, by position.
    pub(crate) asked: Vec<u16>,
    /// The provider that all of it goes to since it was routed again; none where some of it stays.
    pub(crate) moves_to: Option<Arc<str>>,
}

/// What was claimed at once, and by what it was opened.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) parcels: Vec<Opened>,
    pub(crate) book: Arc<Book>,
    pub(crate) provider: Arc<Provider>,
}

/// Opens a parcel. A stored form that cannot be read settles the parcel as rejected: nothing blocks.
pub(crate) fn open(claimed: ClaimedParcel, book: &Book, provider: &Provider) -> Opened {
    let batch = Arc::new(batch_ref(&claimed, book));
    let identity = Identity { batch_id: &batch.id, vendors: &book.vendor_names };
    let mut problems = Problems::default();
    let bytes = claimed.body.len() * 3;
    let mut parcel = HeldParcel::new(Arc::clone(&batch), Vec::new(), Origin::Stored(claimed.claim));
    parcel.bytes = bytes;
    let mut unreadable = Vec::new();
    match pack::unpack(&claimed.body) {
        Ok(unpacked) => {
            for (position, (index, json)) in (0u16..).zip(unpacked.messages) {
                let message =
                    read::read_message(json, (&batch.head, &identity), index, Path::Root(""), &mut problems);
                let message = message.unwrap_or_else(|| {
                    unreadable.push(position);
                    Arc::new(placeholder(index))
                });
                let results = message.results(unpacked.results);
                // What follows from its route is known when all is known of it.
                let terms = Terms::of(&message, None, &book.delivery);
                parcel.entries.push(Entry::new(message, results, terms));
            }
        }
        Err(error) => {
            tracing::error!(batch.id = %batch.id, error = %error, "a stored parcel cannot be read; its messages are rejected");
            unreadable = (0u16..).zip(&claimed.states).map(|(position, _)| position).collect();
            parcel.entries.extend((0..claimed.states.len() as u64).map(|index| {
                let message = placeholder(index);
                let terms = Terms::of(&message, None, &book.delivery);
                Entry::new(Arc::new(message), Results::Each, terms)
            }));
        }
    }
    for (entry, state) in parcel.entries.iter_mut().zip(&claimed.states) {
        entry.state = *state;
    }
    parcel.open = parcel.entries.iter().filter(|entry| !entry.state.is_final()).count();
    let records: Vec<CallRecord> =
        claimed.records.iter().filter_map(|bytes| CallRecord::read_all(bytes).ok()).flatten().collect();
    let asked = parcel.recall(&records);
    // First for what may follow where it was interrupted, then for who may have it after that.
    let (open, own) = ([Status::Queued, Status::Sending], &provider.settings.name);
    let mut refused = parcel.route_again(&open, (book, own), clock::now_ms());
    let mut opened = Opened { parcel, settled: Vec::new(), waiting: Vec::new(), asked, moves_to: None };
    let mut again = interrupted(&mut opened, &claimed.interrupted, book, provider);
    if claimed.batch.state == BatchState::Cancelled {
        withdraw(&mut opened, provider);
    }
    if !claimed.interrupted.is_empty() {
        refused = opened.parcel.route_again(&open, (book, own), clock::now_ms());
    }
    for (position, failure) in refused {
        decide_without_call(&mut opened, &[position], provider, (Status::Rejected, &failure));
    }
    refuse(&mut opened, &unreadable, provider);
    for record in &records {
        for note in &record.notes {
            if note.not_before_ms > 0 {
                again.push((note.position, note.not_before_ms));
            }
        }
    }
    for (position, entry) in (0u16..).zip(&opened.parcel.entries) {
        if entry.state == Status::Queued {
            let not_before =
                again.iter().rev().find(|(other, _)| *other == position).map_or(0, |(_, at)| *at);
            opened.waiting.push((position, not_before));
        }
    }
    if opened.settled.is_empty() && opened.asked.is_empty() {
        opened.moves_to = common_target(&opened.parcel);
    }
    opened
}

fn batch_ref(claimed: &ClaimedParcel, book: &Book) -> BatchRef {
    let stored = &claimed.batch;
    let identity = Identity { batch_id: &stored.id, vendors: &book.vendor_names };
    let text = std::str::from_utf8(&stored.head).unwrap_or("{}");
    let head = read::read_head(text, &identity, Path::Root(""), &mut Problems::default()).unwrap_or_default();
    let begins = head.send_at_ms.unwrap_or(stored.created_ms).max(stored.created_ms);
    BatchRef {
        app: interline_core::id::message_fingerprint(&stored.app),
        flow: interline_core::id::message_fingerprint(&stored.id),
        app_name: stored.app.as_str().into(),
        id: stored.id.clone(),
        deadline_ms: deadline(begins, &head, book),
        head,
        begins_ms: begins,
        origin: trace::Origin::stored(text),
        attempts_allowed: book.delivery.attempts,
    }
}

/// When a batch that begins then must be over, Unix milliseconds.
pub(crate) fn deadline(begins_ms: i64, head: &Head, book: &Book) -> i64 {
    let lasts = i64::try_from(book.delivery.deadline.as_millis()).unwrap_or(i64::MAX);
    let deadline = begins_ms.saturating_add(lasts);
    head.expires_at_ms.map_or(deadline, |expires| expires.min(deadline))
}

fn placeholder(index: u64) -> interline_core::message::Message {
    use interline_core::{content::Content, recipient, shared::Shared};
    interline_core::message::Message {
        index,
        id: read::made_id(index).into(),
        id_given: false,
        client_id: "".into(),
        to: recipient::Recipient::new(recipient::RecipientKind::User, ""),
        from: None,
        content: Shared::new(Content::text("")),
        inherits_content: false,
        options: Shared::default(),
        extensions: Shared::default(),
        vars: Arc::default(),
        labels: Arc::default(),
        guarantee: None,
        on_loss: None,
        expires_at_ms: None,
    }
}

/// Judges what was under way when its holder ended.
fn interrupted(
    opened: &mut Opened,
    rows: &[SendingRow],
    book: &Book,
    provider: &Provider,
) -> Vec<(u16, i64)> {
    let Origin::Stored(claim) = opened.parcel.origin else { return Vec::new() };
    let mut again = Vec::new();
    for row in rows {
        let mut notes = Vec::new();
        // It may have been lent: then that provider is the one that may have it, also when it is gone.
        let name = Arc::<str>::from(row.provider.as_str());
        let own = (name == provider.settings.name).then_some(provider);
        let sender = book.providers.get(&name).map(|sender| &**sender).or(own);
        let vendor: Arc<str> = sender.map_or("", |sender| sender.settings.vendor.name).into();
        let adapter = sender.map(Provider::assumed);
        let class = std::str::from_utf8(&row.blob).unwrap_or_default();
        let class_of = |adapter: &dyn Adapter| adapter.profile().class(class).map_or("", |class| class.name);
        let ask = adapter.as_deref().map(|adapter| (adapter, class_of(adapter)));
        let judge = Judgement {
            now_ms: clock::now_ms(),
            ask,
            provider: &name,
            elsewhere: false,
            // Nobody else recognises what was sent to it.
            dedupe_window_ms: ask.map_or(0, |(adapter, class)| adapter.profile().dedupe.window_ms(class)),
            free: false,
            chance: clock::chance(),
        };
        for position in &row.indexes {
            if let Some(entry) = opened.parcel.entries.get_mut(usize::from(*position))
                && entry.first_sent_ms == 0
            {
                entry.first_sent_ms = row.at_ms;
            }
            let detail = "Interline was stopped while the call was under way";
            let outcome = Outcome::Unknown(Failure::unknown(ErrorCode::ConnectionLost, detail));
            let Some((note, after)) = opened.parcel.attempted(*position, outcome, judge) else { continue };
            if let Some(entry) = opened.parcel.entries.get_mut(usize::from(*position)) {
                entry.pinned = Some(Arc::clone(&name));
            }
            match after {
                After::Again(at) => again.push((*position, at)),
                After::Ask => opened.asked.push(*position),
                // Nobody knows what became of it, so it never is too late for another try.
                After::Final | After::Elsewhere | After::TooLate => {}
            }
            notes.push(note);
        }
        let record = CallRecord::call(name, vendor, row.at_ms, 0, notes);
        let states = ledger_states(&opened.parcel);
        opened.settled.push(Settled {
            claim,
            sending: vec![row.id],
            states,
            record: record.to_bytes(),
            calls: 1,
            release_at_ms: None,
        });
    }
    again
}

fn withdraw(opened: &mut Opened, provider: &Provider) {
    let positions: Vec<u16> = (0u16..).zip(&opened.parcel.entries).map(|(position, _)| position).collect();
    let failure = Failure::not_sent(ErrorCode::Cancelled, "the batch was cancelled").for_good();
    decide_without_call(opened, &positions, provider, (Status::Cancelled, &failure));
}

fn refuse(opened: &mut Opened, positions: &[u16], provider: &Provider) {
    let failure = Failure::not_sent(ErrorCode::Internal, "the stored message cannot be read").for_good();
    decide_without_call(opened, positions, provider, (Status::Rejected, &failure));
    let Some(adapter) = provider.adapter() else { return };
    for (position, failure) in opened.parcel.check(&*adapter, provider) {
        decide_without_call(opened, &[position], provider, (Status::Rejected, &failure));
    }
}

fn decide_without_call(
    opened: &mut Opened,
    positions: &[u16],
    provider: &Provider,
    (status, failure): (Status, &Failure),
) {
    let Origin::Stored(claim) = opened.parcel.origin else { return };
    let parcel = &mut opened.parcel;
    let notes: Vec<_> =
        positions.iter().filter_map(|at| parcel.settle(*at, status, failure.clone())).collect();
    if notes.is_empty() {
        return;
    }
    let name = Arc::clone(&provider.settings.name);
    let record = CallRecord::decision(name, provider.settings.vendor.name.into(), clock::now_ms(), notes);
    let states = ledger_states(&opened.parcel);
    let record = record.to_bytes();
    opened.settled.push(Settled {
        claim,
        sending: Vec::new(),
        states,
        record,
        calls: 0,
        release_at_ms: None,
    });
}

/// The states as the ledger wants them: what is under way still counts as queued there.
pub(crate) fn ledger_states(parcel: &HeldParcel) -> Vec<Status> {
    let stored = |state| if state == Status::Sending { Status::Queued } else { state };
    parcel.states().into_iter().map(stored).collect()
}
