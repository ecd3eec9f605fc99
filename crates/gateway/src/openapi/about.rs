//! What is said of each operation: one function a row of the table of paths.

use super::Operation;

pub(crate) fn send() -> Operation {
    Operation::new("send", "Sends messages at once and answers with their results")
}

pub(crate) fn accept() -> Operation {
    Operation::new("createBatch", "Stores a batch and sends it afterwards")
}

pub(crate) fn plan() -> Operation {
    Operation::new("plan", "Tells what would happen with a batch; sends nothing")
}

pub(crate) fn batches() -> Operation {
    Operation::new("listBatches", "Batches, newest first")
}

pub(crate) fn batch() -> Operation {
    Operation::new("getBatch", "One batch")
}

pub(crate) fn messages() -> Operation {
    Operation::new("listMessages", "Results of a batch")
}

pub(crate) fn batch_events() -> Operation {
    Operation::new("watchBatch", "A batch as it changes")
}

pub(crate) fn cancel() -> Operation {
    Operation::new("cancelBatch", "Withdraws what has not left")
}

pub(crate) fn pause() -> Operation {
    Operation::new("pauseBatch", "Holds back what has not left")
}

pub(crate) fn resume() -> Operation {
    Operation::new("resumeBatch", "Lets a paused batch go on")
}

pub(crate) fn redrive() -> Operation {
    Operation::new("redriveBatch", "Sends messages of a batch again, as a new batch")
}

pub(crate) fn find() -> Operation {
    Operation::new("findMessages", "What a recipient got, over all batches")
}

pub(crate) fn providers() -> Operation {
    Operation::new("listProviders", "Accounts at vendors, with limits and queues")
}

pub(crate) fn pause_provider() -> Operation {
    Operation::new("pauseProvider", "Makes no more calls to an account")
}

pub(crate) fn resume_provider() -> Operation {
    Operation::new("resumeProvider", "Makes calls to an account again")
}

pub(crate) fn probe_provider() -> Operation {
    Operation::new("probeProvider", "Asks whether a vendor's server is there and what it speaks")
}

pub(crate) fn migrations() -> Operation {
    Operation::new("listMigrations", "What moves from one provider to another")
}

pub(crate) fn migration() -> Operation {
    Operation::new("getMigration", "One migration")
}

pub(crate) fn start_migration() -> Operation {
    Operation::new("startMigration", "Begins a migration")
}

pub(crate) fn set_migration() -> Operation {
    Operation::new("setMigration", "Moves so many percent of the recipients")
}

pub(crate) fn roll_back_migration() -> Operation {
    Operation::new("rollBackMigration", "Brings everything back")
}

pub(crate) fn finish_migration() -> Operation {
    Operation::new("finishMigration", "Ends a migration, once everybody has moved")
}

pub(crate) fn migration_report() -> Operation {
    Operation::new("getMigrationReport", "What was found, what both providers answered, what was done")
}

pub(crate) fn vendors() -> Operation {
    Operation::new("listVendors", "What each dialect of each vendor can do")
}

pub(crate) fn routes() -> Operation {
    Operation::new("listRoutes", "Who goes where")
}

pub(crate) fn config() -> Operation {
    Operation::new("getConfig", "The configuration in force, secrets masked")
}

pub(crate) fn reload() -> Operation {
    Operation::new("reloadConfig", "Reads the configuration again")
}

pub(crate) fn live() -> Operation {
    Operation::new("live", "Whether the process runs")
}

pub(crate) fn ready() -> Operation {
    Operation::new("ready", "Whether batches can be taken now")
}

pub(crate) fn metrics() -> Operation {
    Operation::new("metrics", "Counts for Prometheus")
}

pub(crate) fn document() -> Operation {
    Operation::new("document", "This document")
}
