//! Hands what was settled to the ledger, in order and many at once. What the ledger cannot take now is
//! kept and offered again until it can: a full disk delays results, it loses none.

use std::time::Duration;

use interline_ledger::{ErrorKind, Ledger, Settled};
use tokio::sync::{broadcast, mpsc};

use crate::clock;

const AT_ONCE: usize = 256;
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until the lane is gone and everything is written.
pub(crate) async fn run(
    ledger: Ledger,
    mut settled: mpsc::UnboundedReceiver<Settled>,
    announce: broadcast::Sender<String>,
) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while settled.recv_many(&mut batch, AT_ONCE).await > 0 {
        if !offer(&ledger, &batch, &announce).await {
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
        batch.clear();
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
                if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::NotFound) =>
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
