//! Group commit: one task owns the one writing connection.
//!
//! Commands queue up while a commit is on its way to the disk and share the next one; each is answered only
//! after its commit. If anything in a group fails, the group is undone and every command is tried again by
//! itself, so that a bad one fails alone. The task outlives full disks and I/O errors: whoever comes after them
//! finds it as it was.
//!
//! What nobody waits for is left to gather for a few milliseconds, or until somebody waits for anything: a
//! commit costs far more than a command.
//!
//! Callers wait for their answers, so commands that wait at the same time do not depend on each other, and
//! those of one kind run together.

use std::any::{Any, TypeId};
use std::error::Error as _;
use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};

use super::beat::{Beat, Listener};
use super::failed;
use super::health::{Diagnosis, Health};
use crate::boundary::{self, Around};
use crate::error::{Error, ErrorKind, Result};

/// Commands that may wait; senders beyond that wait themselves.
const QUEUE: usize = 1024;
/// Commands that share one commit.
const GROUP: usize = 512;
/// Bytes after which a group takes no more commands.
const GROUP_BYTES: usize = 8 << 20;
/// How long commands that nobody waits for gather.
const GATHERING: Duration = Duration::from_millis(15);
/// Commands, and bytes of one of them, that end the gathering.
const GATHERED: usize = 128;
const GATHERED_BYTES: usize = 256 << 10;

/// Something to do inside a transaction. It may run twice (the first run is then undone), so it only reads
/// what it carries.
pub(crate) trait Work: Send + Sync + 'static {
    /// What the caller gets.
    type Answer: Send + 'static;

    /// Where a crash test may end the process around its commit.
    const BOUNDARY: Option<Around> = None;

    /// Does it. An error undoes whatever it wrote.
    fn run(&self, conn: &mut SqliteConnection) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Does it for several callers at once, with an answer for each; those that come often save trips here.
    fn run_all(
        works: &[&Self],
        conn: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Vec<Self::Answer>>> + Send {
        async move {
            let mut answers = Vec::with_capacity(works.len());
            for work in works {
                answers.push(work.run(conn).await?);
            }
            Ok(answers)
        }
    }

    /// Roughly how many bytes it stores.
    fn bytes(&self) -> usize {
        0
    }
}

/// The way to the writer task.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    /// Rung when the task is not to let commands gather any longer. The queue alone does not wake it then.
    bell: Arc<Notify>,
    health: Arc<Health>,
    listener: Arc<Listener>,
}

/// A ledger in a file.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// How to connect anew.
    pub(super) options: SqliteConnectOptions,
    /// Held as long as the task runs.
    pub(super) lock: File,
}

enum Message {
    Work(Box<dyn Command>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the task. It ends when it is closed or the last handle is gone; the lock is given up then.
    pub(super) fn start(conn: SqliteConnection, place: Option<Place>) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let bell = Arc::new(Notify::new());
        let listener = Arc::new(Listener::default());
        let health = Arc::new(Health::of(place.as_ref().map(|place| place.path.clone())));
        let task = Task {
            conn,
            place,
            bell: Arc::clone(&bell),
            health: Arc::clone(&health),
            listener: Arc::clone(&listener),
            diagnosis: Diagnosis::default(),
        };
        tokio::spawn(task.serve(messages));
        Self { queue, bell, health, listener }
    }

    /// Tells this one of each commit.
    pub(super) fn listen(&self, told: impl Fn(Beat) + Send + Sync + 'static) {
        self.listener.listen(told);
    }

    /// How many commands wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Why the last commit failed, if it did.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.health.trouble()
    }

    /// Whether the task takes no more work.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Queues the work and waits until it is committed.
    pub(super) async fn submit<W: Work>(&self, work: W) -> Result<W::Answer> {
        let (reply, answer) = oneshot::channel();
        self.send(Pending { work, answer: None, reply: Some(reply) }).await?;
        self.bell.notify_one();
        answer.await.map_err(|_| closed())?
    }

    /// Queues the work and leaves it to the task.
    pub(super) async fn post<W: Work>(&self, work: W) -> Result<()> {
        let large = work.bytes() > GATHERED_BYTES;
        self.send(Pending { work, answer: None, reply: None }).await?;
        if large || self.queue.max_capacity() - self.queue.capacity() >= GATHERED {
            self.bell.notify_one();
        }
        Ok(())
    }

    async fn send<W: Work>(&self, command: Pending<W>) -> Result<()> {
        self.queue.send(Message::Work(Box::new(command))).await.map_err(|_| closed())
    }

    /// Commits what is queued and lets go of the file.
    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            self.bell.notify_one();
            // An error here means that the task is gone, which is what was wanted.
            drop(done.await);
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "cannot use a ledger that was closed")
}

/// Runs commands that are all of one kind.
type Run = for<'a> fn(
    &'a mut [Box<dyn Command>],
    &'a mut SqliteConnection,
) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A unit of work with its caller, its types hidden.
trait Command: Any + Send {
    /// What runs commands of this kind.
    fn run(&self) -> Run;
    fn boundary(&self) -> Option<Around>;
    fn finish(self: Box<Self>, outcome: Result<()>);
    fn bytes(&self) -> usize;
    /// Whether somebody waits for the answer.
    fn awaited(&self) -> bool;
}

struct Pending<W: Work> {
    work: W,
    answer: Option<W::Answer>,
    reply: Option<oneshot::Sender<Result<W::Answer>>>,
}

impl<W: Work> Command for Pending<W> {
    fn run(&self) -> Run {
        |kin, conn| {
            let mut works = Vec::with_capacity(kin.len());
            let mut places = Vec::with_capacity(kin.len());
            for command in kin {
                let command: &mut dyn Any = command.as_mut();
                if let Some(Self { work, answer, .. }) = command.downcast_mut() {
                    works.push(&*work);
                    places.push(answer);
                }
            }
            Box::pin(async move {
                for (place, answer) in places.into_iter().zip(W::run_all(&works, conn).await?) {
                    *place = Some(answer);
                }
                Ok(())
            })
        }
    }

    fn boundary(&self) -> Option<Around> {
        W::BOUNDARY
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let Self { answer, reply, .. } = *self;
        let answer = outcome.and_then(|()| answer.ok_or_else(closed));
        // The caller may have gone; what was committed stays, what failed must not go unnoticed.
        let unheard = match reply {
            Some(reply) => reply.send(answer).err(),
            None => Some(answer),
        };
        if let Some(Err(error)) = unheard {
            tracing::error!(%error, cause = error.source(), "ledger command failed and nobody waits for it");
        }
    }

    fn bytes(&self) -> usize {
        self.work.bytes()
    }

    fn awaited(&self) -> bool {
        self.reply.is_some()
    }
}

/// What goes into the next commit.
#[derive(Default)]
struct Group {
    commands: Vec<Box<dyn Command>>,
    bytes: usize,
    /// Somebody waits for one of the commands, or for the end.
    awaited: bool,
    closers: Vec<oneshot::Sender<()>>,
}

impl Group {
    fn add(&mut self, message: Message) {
        match message {
            Message::Work(command) => {
                self.bytes += command.bytes();
                self.awaited |= command.awaited();
                self.commands.push(command);
            }
            Message::Close(reply) => {
                self.awaited = true;
                self.closers.push(reply);
            }
        }
    }

    /// Takes what is there, as far as there is room; says whether more should gather.
    fn fill(&mut self, messages: &mut mpsc::Receiver<Message>) -> bool {
        while self.commands.len() < GROUP && self.bytes < GROUP_BYTES {
            let Ok(message) = messages.try_recv() else {
                return !self.awaited && self.commands.len() < GATHERED;
            };
            self.add(message);
        }
        false
    }
}

fn kind(command: &dyn Command) -> TypeId {
    let command: &dyn Any = command;
    command.type_id()
}

/// The boundaries around the commit of a group, those of each kind once.
fn boundaries(group: &[Box<dyn Command>]) -> impl Iterator<Item = Around> {
    group
        .chunk_by(|left, right| kind(left.as_ref()) == kind(right.as_ref()))
        .filter_map(|kin| kin.first().and_then(|command| command.boundary()))
}

/// Why a group was not committed.
enum Failed {
    /// No transaction could be begun: no command has failed by itself.
    Begin(Error),
    /// A command, or the commit.
    Group(Error),
}

struct Task {
    conn: SqliteConnection,
    place: Option<Place>,
    bell: Arc<Notify>,
    health: Arc<Health>,
    listener: Arc<Listener>,
    diagnosis: Diagnosis,
}

impl Task {
    async fn serve(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut group = Group::default();
        while let Some(message) = messages.recv().await {
            group.add(message);
            self.gather(&mut group, &mut messages).await;
            if !group.closers.is_empty() {
                messages.close();
            }
            self.commit(&mut group.commands).await;
            group = Group { closers: group.closers, ..Group::default() };
        }
        if let Err(error) = self.conn.close().await {
            tracing::warn!(%error, "ledger connection did not close cleanly");
        }
        drop(self.place.map(|place| place.lock));
        for closer in group.closers {
            // An error means that the closer has gone; nothing is owed to it.
            closer.send(()).ok();
        }
    }

    /// Adds what is queued; if nobody waits for any of it, also what comes in the next milliseconds.
    async fn gather(&self, group: &mut Group, messages: &mut mpsc::Receiver<Message>) {
        // Whoever rings does so after queueing: what was rung for before this is in the queue by now, and what
        // is rung for from here on ends the wait.
        let mut rung = pin!(self.bell.notified());
        if rung.as_mut().enable() {
            rung.set(self.bell.notified());
            rung.as_mut().enable();
        }
        if group.fill(messages) {
            // Over when the bell rings or the time is up; either way, what is there is taken.
            tokio::time::timeout(GATHERING, rung).await.ok();
            group.fill(messages);
        }
    }

    async fn commit(&mut self, group: &mut Vec<Box<dyn Command>>) {
        group.sort_by_key(|command| kind(command.as_ref()));
        let outcome = match self.attempt(group).await {
            Ok(()) => Ok(()),
            Err(Failed::Begin(error)) => Err(error),
            Err(Failed::Group(error)) if group.len() == 1 => Err(error),
            Err(Failed::Group(_)) => return self.commit_each(group).await,
        };
        for command in group.drain(..) {
            command.finish(outcome.clone());
        }
    }

    /// Commits every command by itself, so that only those fail that cannot be stored.
    async fn commit_each(&mut self, group: &mut Vec<Box<dyn Command>>) {
        // Whoever waits may count on what was queued before and nobody waits for.
        group.sort_by_key(|command| command.awaited());
        for command in group.drain(..) {
            let mut alone = [command];
            let outcome = self.attempt(&mut alone).await;
            let [command] = alone;
            command.finish(outcome.map_err(|(Failed::Begin(error) | Failed::Group(error))| error));
        }
    }

    async fn attempt(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), Failed> {
        let began = Instant::now();
        let outcome = self.transact(group).await;
        let (took, commands) = (began.elapsed(), group.len());
        self.listener.tell(Beat { took, commands, committed: outcome.is_ok() });
        outcome
    }

    async fn transact(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), Failed> {
        if let Err(error) = self.begin().await {
            return Err(Failed::Begin(self.explain(error, true).await));
        }
        let Err(error) = self.run_and_commit(group).await else {
            self.health.committed(group.iter().map(|command| command.bytes()).sum());
            return Ok(());
        };
        // SQLite may have rolled back by itself: then there is nothing left to undo.
        drop(sqlx::query("ROLLBACK").execute(&mut self.conn).await);
        Err(Failed::Group(self.explain(error, group.len() == 1).await))
    }

    /// Names the cause of a failure, and notes it unless the commands are tried again one by one.
    async fn explain(&mut self, error: Error, last: bool) -> Error {
        let error = self.diagnosis.explain(error, &self.health).await;
        if last {
            self.health.failed(&error);
        }
        error
    }

    async fn run_and_commit(&mut self, group: &mut [Box<dyn Command>]) -> Result<()> {
        for kin in group.chunk_by_mut(|left, right| kind(left.as_ref()) == kind(right.as_ref())) {
            if let Some(run) = kin.first().map(|command| command.run()) {
                run(kin, &mut self.conn).await?;
            }
        }
        boundaries(group).for_each(|around| boundary::reach(around.before));
        sqlx::query("COMMIT").execute(&mut self.conn).await.map_err(failed("cannot commit to ledger"))?;
        boundaries(group).for_each(|around| boundary::reach(around.after));
        Ok(())
    }

    /// Begins a transaction, on a new connection if the old one no longer works.
    async fn begin(&mut self) -> Result<()> {
        let failure = failed("cannot begin ledger transaction");
        let Err(error) = sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await else {
            return Ok(());
        };
        let Some(place) = &self.place else {
            return Err(failure(error));
        };
        tracing::warn!(%error, "ledger connection failed and is opened again");
        self.conn = place.options.connect().await.map_err(&failure)?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.conn).await.map(drop).map_err(failure)
    }
}
