//! Hands what was settled to the ledger, in order and many at once. What the ledger cannot take now is
//! kept and offered again until it can: a full disk delays results, it loses none.

use std::sync::Arc;
use std::time::Duration;

use interline_ledger::{Claim, ErrorKind, Ledger, Settled};
use tokio::sync::{broadcast, mpsc};

use super::{Event, Lanes};
use crate::clock;
use crate::shelf::Shelf;

const AT_ONCE: usize = 256;
const PAUSE: Duration = Duration::from_millis(500);

/// What a lane hands over, in order.
#[derive(Debug)]
pub(crate) enum Write {
    /// What was settled.
    Settled(Settled),
    /// A parcel goes to another provider, when everything before this is on disk.
    Reassigned(Claim, Arc<str>),
    /// A call is over when everything before this is on disk: until then a crash would leave its messages
    /// unknown, so it still counts as under way.
    Over,
}

/// Runs until the lane is gone and everything is written.
pub(crate) async fn run(
    ledger: Ledger,
    mut writes: mpsc::UnboundedReceiver<Write>,
    events: mpsc::WeakUnboundedSender<Event>,
    announce: broadcast::Sender<String>,
    peers: Arc<Shelf<Lanes>>,
) {
    let mut taken = Vec::with_capacity(AT_ONCE);
    while writes.recv_many(&mut taken, AT_ONCE).await > 0 {
        let mut batch = Vec::with_capacity(taken.len());
        let mut over = 0;
        let mut reassigned = Vec::new();
        for write in taken.drain(..) {
            match write {
                Write::Settled(settled) => batch.push(settled),
                Write::Over => over += 1,
                Write::Reassigned(claim, to) => reassigned.push((claim, to)),
            }
        }
        if !batch.is_empty() && !offer(&ledger, &batch, &announce).await {
            // One of them cannot be stored at all; the others must not wait for it.
            for settled in &batch {
                if !offer(&ledger, std::slice::from_ref(settled), &announce).await {
                    tracing::error!(
                        parcel = settled.claim.parcel,
                        "a result cannot be stored; its messages will be unknown"
                    );
                }
            }
        }
        for (claim, to) in reassigned {
            reassign(&ledger, claim, &to, &peers).await;
        }
        if over > 0
            && let Some(events) = events.upgrade()
        {
            // A lane that is gone counts no more calls.
            drop(events.send(Event::Over(over)));
        }
    }
}

/// Gives a parcel to another provider, and wakes its lane. It is tried once: the results behind it must not wait
/// for it, and the lease brings the parcel back within a minute. An error after the commit changes nothing: then it
/// is the other's already.
async fn reassign(ledger: &Ledger, claim: Claim, to: &str, peers: &Shelf<Lanes>) {
    if let Err(error) = ledger.reassign(claim, to, 0).await {
        tracing::warn!(provider = to, error = %error, "a parcel could not be handed over; its lease will run out");
    }
    if let Some(lane) = peers.now().get(to) {
        // A lane that has stopped leaves the work to the next start.
        drop(lane.events.send(Event::Wake));
    }
}

/// Offers results until the ledger takes them; false when it never will.
async fn offer(ledger: &Ledger, settled: &[Settled], announce: &broadcast::Sender<String>) -> bool {
    loop {
        match ledger.settle(settled.to_vec(), clock::now_ms()).await {
            Ok(settlement) => {
                for (settled, held) in settled.iter().zip(&settlement.held) {
                    if !held {
                        tracing::warn!(
                            parcel = settled.claim.parcel,
                            "a result came after its lease ran out and was not stored"
                        );
                    }
                }
                for id in settlement.batches_settled {
                    // Nobody may be waiting; then nobody needs to hear it.
                    drop(announce.send(id));
                }
                return true;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Corrupt
                ) =>
            {
                tracing::error!(error = %error, results = settled.len(), "the ledger refuses results");
                return false;
            }
            Err(error) => {
                tracing::error!(error = %error, results = settled.len(), "the ledger cannot take results; offering them again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
