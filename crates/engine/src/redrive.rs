//! Messages of an earlier batch that a person or an app sends again, as a new batch: under the same ids and
//! the same ids at the vendor, changed where asked. That one may have arrived already is written down.

use std::collections::HashMap;

use interline_core::outcome::Status;
use interline_core::pack;
use interline_core::read::Path;
use interline_core::record::MessageResult;
use interline_ledger::{BatchState, ParcelQuery, StoredParcel};

use crate::clock;
use crate::denied::Denied;
use crate::engine::{self, Engine};
use crate::order::Order;
use crate::results::{fold, named};
use crate::trace::without_origin;
use crate::upload::{Begin, Upload};
use crate::view::{Accepted, Caller};

/// Parcels that are read at once.
const PARCELS: usize = 16;

impl Engine {
    /// Sends messages of a batch again as a new batch; `body` says which and what is changed.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where there is nothing to send again; whatever refuses a batch.
    pub async fn redrive(
        &self,
        caller: &Caller,
        batch_id: &str,
        body: &str,
        key: Option<&str>,
    ) -> Result<Accepted, Denied> {
        let now_ms = clock::now_ms();
        let hash = engine::body_hash(&format!("redrive {batch_id}"), body);
        let key = key.map(|key| engine::key_row(&caller.app, key, hash, now_ms));
        if let Some(key) = &key
            && let Some(earlier) = self.inner.ledger.earlier(key.clone()).await?
        {
            return self.repeat(earlier).await;
        }
        let order = Order::read(body)?;
        let old = self.inner.ledger.batch(batch_id).await?.ok_or(Denied::NotFound)?;
        if old.head.state == BatchState::Receiving {
            return Err(Denied::Conflict("the batch's upload is still under way".to_owned()));
        }
        // It is part of the request that asks for it, and no longer of the one that the old batch came with.
        let old_head = without_origin(std::str::from_utf8(&old.head.head).unwrap_or("{}"));
        let copies = order.is_of_copies(&old_head)?;
        let head = order.patch.head(&old_head, now_ms);
        // What is whose does not change by who sends it again.
        let caller = Caller { app: old.head.app.as_str().into(), broadcast: caller.broadcast };
        let begin = Begin { head: &head, path: "/patch", redriven_from: Some(batch_id.to_owned()), copies };
        let mut upload = self.begin(&caller, begin).await?;
        if let Err(denied) = self.copy(batch_id, &order, &mut upload, now_ms).await {
            upload.discard().await;
            return Err(denied);
        }
        upload.end(key).await
    }

    /// Hands the messages that are to be sent again to the new batch.
    async fn copy(
        &self,
        batch_id: &str,
        order: &Order,
        upload: &mut Upload,
        now_ms: i64,
    ) -> Result<(), Denied> {
        let mut missing: HashMap<&str, u64> =
            order.ids.iter().flatten().map(|(id, place)| (&**id, *place)).collect();
        // Only a single status can be asked of the ledger, and ids may stand in any parcel.
        let status = match (&*order.statuses, &order.ids) {
            ([status], None) => Some(*status),
            _ => None,
        };
        let mut after_seq = None;
        loop {
            let ask = ParcelQuery { after_seq, limit: PARCELS, status };
            let parcels = self.inner.ledger.parcels_of(batch_id, ask).await?;
            let Some(last) = parcels.last() else { break };
            if order.ids.is_some() && missing.is_empty() {
                break;
            }
            after_seq = Some(last.seq);
            for parcel in &parcels {
                let wanted = parcel.states.iter().any(|state| order.statuses.contains(state));
                if wanted || !missing.is_empty() {
                    copy_parcel(batch_id, parcel, order, (&mut missing, upload), now_ms).await?;
                }
            }
        }
        let mut missing: Vec<u64> = missing.into_values().collect();
        missing.sort_unstable();
        for place in missing {
            let root = Path::Root("/message_ids");
            let detail = "the batch has no message of this id";
            upload.wrong.invalid().add(&Path::Index(&root, place), detail);
        }
        if upload.wrong.is_empty() && upload.messages() == 0 {
            let words: Vec<&str> = order.statuses.iter().map(|status| status.as_str()).collect();
            let which = if order.ids.is_some() { "these messages" } else { "the batch's messages" };
            return Err(Denied::Conflict(format!("none of {which} is {}", words.join(" or "))));
        }
        Ok(())
    }
}

async fn copy_parcel(
    batch_id: &str,
    parcel: &StoredParcel,
    order: &Order,
    (missing, upload): (&mut HashMap<&str, u64>, &mut Upload),
    now_ms: i64,
) -> Result<(), Denied> {
    let Ok(unpacked) = pack::unpack(&parcel.body) else {
        return Err(Denied::Conflict("a stored message of the batch cannot be read".to_owned()));
    };
    let results = fold(batch_id, parcel);
    let root = Path::Root("/messages");
    for ((index, json), (_, result)) in unpacked.messages.into_iter().zip(results) {
        if let Some(ids) = &order.ids {
            missing.remove(&*result.id);
            if !ids.contains_key(&result.id) {
                continue;
            }
        }
        if !order.statuses.contains(&result.status) {
            continue;
        }
        // The id at the vendor stays even where calls carried none.
        let client_id = named(json, batch_id, index).vendor_client_id.unwrap_or_default();
        let text = order.patch.message(json, &client_id, now_ms);
        let again = Some(may_have_arrived(&result));
        // Under its old index a message keeps the id that was made for it.
        upload.add(&text, index, Path::Index(&root, index), again).await?;
    }
    Ok(())
}

/// Whether a vendor may hold it already.
fn may_have_arrived(result: &MessageResult) -> bool {
    result.may_be_duplicate
        || result.status == Status::Unknown
        || result.attempts.iter().any(|attempt| attempt.result == Status::Unknown)
}
