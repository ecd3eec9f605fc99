//! Measures the ledger on this machine's disk: `cargo run --release -p interline-ledger --example measure`.
//!
//! Takes the number of messages (default 1,000,000; 0 for direct sends and small batches alone) and a folder
//! (default: the temporary one). The processor time is that of the whole process, the work of making what is
//! stored included, and after it that of the threads which run SQLite.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use interline_ledger::{
    ClaimRequest, DirectResult, Ledger, NewBatch, NewParcel, RecipientQuery, Result, SendingStart, Settled,
    Status,
};

const PER_PARCEL: usize = 256;
const BODY_PER_MESSAGE: usize = 120;
const PARCELS_PER_STAGE: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("interline-measure");
    std::fs::create_dir_all(&folder)?;
    let ledger = Ledger::open(&format!("sqlite:{}", folder.join("ledger.db").display())).await?;
    directs(&ledger).await?;
    submits(&ledger).await?;
    if messages > 0 {
        uploads(&ledger, messages).await?;
        lane(&ledger).await?;
    }
    ledger.close().await;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn hash(number: usize) -> u64 {
    (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn parcel(seq: usize) -> NewParcel {
    let hashes: Vec<u64> = (0..PER_PARCEL).map(|index| hash(seq * PER_PARCEL + index)).collect();
    NewParcel {
        seq: u32::try_from(seq).unwrap_or(0),
        provider: "p".to_owned(),
        states: vec![Status::Queued; PER_PARCEL],
        body: vec![b'x'; PER_PARCEL * BODY_PER_MESSAGE],
        recipients: hashes.clone(),
        ids: hashes,
        ..NewParcel::default()
    }
}

fn batch(id: String) -> NewBatch {
    NewBatch { id, app: "shop".to_owned(), created_ms: 1, head: vec![b'h'; 500], ..NewBatch::default() }
}

fn request(max_parcels: usize) -> ClaimRequest {
    ClaimRequest {
        provider: "p".to_owned(),
        now_ms: 10,
        lease_until_ms: 99_999,
        max_parcels,
        max_bytes: 64 << 20,
    }
}

/// Time and processor time at a start.
struct Meter {
    at: Instant,
    spent: Spent,
}

/// Microseconds on a processor.
#[derive(Clone, Copy, Default)]
struct Spent {
    all: f64,
    sqlite: f64,
}

impl Meter {
    fn start() -> Self {
        Self { at: Instant::now(), spent: Spent::now() }
    }
}

impl Spent {
    /// Nothing on systems that do not tell.
    fn now() -> Self {
        let mut spent = Self::default();
        for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let read = |name| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let nanoseconds = read("schedstat").split(' ').next().and_then(|text| text.parse::<f64>().ok());
            let micros = nanoseconds.unwrap_or_default() / 1000.0;
            spent.all += micros;
            if read("comm").starts_with("sqlx") {
                spent.sqlite += micros;
            }
        }
        spent
    }
}

fn report(what: &str, count: usize, since: &Meter) {
    let seconds = since.at.elapsed().as_secs_f64();
    let spent = Spent::now();
    let rate = count as f64 / seconds;
    let each = |now: f64, then: f64| (now - then) / count as f64;
    writeln!(
        std::io::stdout(),
        "{what:<44} {count:>9} in {seconds:>7.3} s = {rate:>10.0}/s, {:>8.1} us each, {:>8.1} in sqlite",
        each(spent.all, since.spent.all),
        each(spent.sqlite, since.spent.sqlite),
    )
    .ok();
}

/// Sixty-four callers that together send about 1,100 times a second, a hundred messages a time.
async fn directs(ledger: &Ledger) -> Result<()> {
    const CALLERS: usize = 64;
    const SENDS: usize = 70;
    const PAUSE: Duration = Duration::from_millis(58);
    let since = Meter::start();
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let ledger = ledger.clone();
        callers.push(tokio::spawn(async move {
            let mut pace = tokio::time::interval(PAUSE);
            for send in 0..SENDS {
                pace.tick().await;
                ledger.post_direct(direct(caller, send)).await?;
            }
            Result::<()>::Ok(())
        }));
    }
    for caller in callers {
        caller.await.map_err(lost)??;
    }
    // Waits until all of it is on the disk.
    ledger.forget("measure", "none").await?;
    report("direct sends of 100 messages, 64 callers", CALLERS * SENDS, &since);
    let stored = ledger.status().await?;
    let each = stored.bytes / stored.batches.max(1);
    writeln!(std::io::stdout(), "bytes in the file for each direct send: {each}").ok();
    Ok(())
}

fn direct(caller: usize, send: usize) -> DirectResult {
    let first = (caller * 1000 + send) * 100;
    let parcel = NewParcel {
        provider: "p".to_owned(),
        states: vec![Status::Accepted; 100],
        body: vec![b'x'; 6_000],
        recipients: (first..first + 100).map(hash).collect(),
        record: Some(vec![b'r'; 15_000]),
        ..NewParcel::default()
    };
    DirectResult {
        batch: batch(format!("{send:06}-direct-{caller}")),
        parcels: vec![parcel],
        calls: 1,
        now_ms: 2,
        answer: None,
    }
}

fn lost(error: tokio::task::JoinError) -> interline_ledger::Error {
    interline_ledger::Error::new(interline_ledger::ErrorKind::Unavailable, "cannot measure").caused_by(error)
}

async fn uploads(ledger: &Ledger, messages: usize) -> Result<()> {
    let parcels = messages.div_ceil(PER_PARCEL);
    ledger.stage(batch("big".to_owned())).await?;
    let since = Meter::start();
    for first in (0..parcels).step_by(PARCELS_PER_STAGE) {
        let slice = (first..parcels.min(first + PARCELS_PER_STAGE)).map(parcel).collect();
        ledger.stage_parcels("big", slice).await?;
    }
    report("messages staged", messages, &since);
    let since = Meter::start();
    let repeated = ledger.repeated_hashes("big", 0, 1).await?;
    report("message ids checked for duplicates", messages, &since);
    assert!(repeated.is_empty());
    let since = Meter::start();
    ledger.publish("big", 5, None).await?;
    report("upload published", 1, &since);
    let since = Meter::start();
    let query = RecipientQuery { hash: hash(0), limit: 1, ..RecipientQuery::default() };
    assert_eq!(ledger.find_recipient(query).await?.len(), 1);
    report("messages searched for the oldest recipient", messages, &since);
    Ok(())
}

async fn lane(ledger: &Ledger) -> Result<()> {
    const PARCELS: usize = 400;
    let since = Meter::start();
    let mut claimed = Vec::new();
    while claimed.len() < PARCELS {
        let more = ledger.claim(request(16)).await?;
        if more.is_empty() {
            break;
        }
        claimed.extend(more);
    }
    report("parcels claimed, 16 at a time", claimed.len(), &since);

    // Sixteen workers, each sending a parcel in calls of ten messages.
    const CALLS: usize = 10;
    let since = Meter::start();
    let mut workers = Vec::new();
    for share in claimed.chunks(claimed.len().div_ceil(16)) {
        let (ledger, share) = (ledger.clone(), share.iter().map(|parcel| parcel.claim).collect::<Vec<_>>());
        workers.push(tokio::spawn(async move {
            for claim in share {
                let mut states = vec![Status::Queued; PER_PARCEL];
                for call in 0..CALLS {
                    let indexes: Vec<u16> = (0..10).map(|index| (call * 10 + index) as u16).collect();
                    for index in &indexes {
                        if let Some(state) = states.get_mut(usize::from(*index)) {
                            *state = Status::Accepted;
                        }
                    }
                    let start =
                        SendingStart { claim, indexes, at_ms: 1, provider: "p".to_owned(), blob: Vec::new() };
                    let sending = ledger.begin_sending(vec![start]).await?.into_iter().flatten().collect();
                    let settled = Settled {
                        claim,
                        sending,
                        states: states.clone(),
                        record: vec![b'r'; 600],
                        calls: 1,
                        release_at_ms: None,
                    };
                    ledger.settle(vec![settled], 20).await?;
                }
            }
            Result::<()>::Ok(())
        }));
    }
    for worker in workers {
        worker.await.map_err(lost)??;
    }
    report("calls begun and settled, 16 workers", claimed.len() * CALLS, &since);
    Ok(())
}

async fn submits(ledger: &Ledger) -> Result<()> {
    const SUBMITS: usize = 5000;
    let since = Meter::start();
    let mut tasks = Vec::new();
    for worker in 0..64 {
        let ledger = ledger.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..SUBMITS / 64 {
                let small = NewParcel {
                    provider: "q".to_owned(),
                    states: vec![Status::Queued],
                    body: vec![b'x'; 200],
                    ..NewParcel::default()
                };
                ledger.accept(batch(format!("small-{worker}-{n}")), vec![small], None).await?;
            }
            Result::<()>::Ok(())
        }));
    }
    let mut done = 0;
    for task in tasks {
        if matches!(task.await, Ok(Ok(()))) {
            done += SUBMITS / 64;
        }
    }
    report("batches of one message, 64 callers", done, &since);
    Ok(())
}
