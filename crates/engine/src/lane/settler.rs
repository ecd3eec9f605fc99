//! Hands what was settled to the ledger, in order and many at once. What the ledger cannot take now is
//! kept and offered again until it can: a full disk delays results, it loses none.

use std::time::Duration;

use interline_ledger::{Ledger, Settled};
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
        loop {
            match ledger.settle(batch.clone(), clock::now_ms()).await {
                Ok(settlement) => {
                    for id in settlement.batches_settled {
                        // Nobody may be waiting; then nobody needs to hear it.
                        drop(announce.send(id));
                    }
                    break;
                }
                Err(error) => {
                    tracing::error!(error = %error, results = batch.len(), "the ledger cannot take results; offering them again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        batch.clear();
    }
}
