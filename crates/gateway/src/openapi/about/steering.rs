//! Steering batches and providers. These requests say everything by their paths and take no body.

use super::{Operation, examples};
use crate::config::Scope;
use crate::problem::Code;

const BATCHES: &str = "Steering";

fn steers(operation: Operation) -> Operation {
    operation
        .tag(BATCHES)
        .scopes(&[Scope::Send, Scope::Admin])
        .of_batch()
        .answer(200, "The batch as it stands then.", "Batch", Some(examples::BATCH))
        .refuses(BODILESS)
        .refuses(&[Code::Conflict])
}

/// A body that is there all the same is read.
const BODILESS: &[Code] = &[Code::InvalidBody, Code::BrokenBody, Code::IdleBody, Code::TooLarge];

pub(crate) fn cancel() -> Operation {
    steers(Operation::new("cancelBatch", "Withdraws what has not left"))
}

pub(crate) fn pause() -> Operation {
    steers(Operation::new("pauseBatch", "Holds back what has not left"))
}

pub(crate) fn resume() -> Operation {
    steers(Operation::new("resumeBatch", "Lets a paused batch go on"))
}

fn by_admin(operation: Operation) -> Operation {
    operation
        .tag(BATCHES)
        .scopes(&[Scope::Admin])
        .path("name", "The provider's name in the configuration.", "wk-main")
        .refuses(BODILESS)
        .refuses(&[Code::NotFound, Code::Unavailable])
}

pub(crate) fn pause_provider() -> Operation {
    by_admin(Operation::new("pauseProvider", "Makes no more calls to an account"))
        .text("What is for it waits. It holds until `resume`, also over a restart.")
        .answer(200, "The account.", "Provider", Some(examples::PROVIDER))
}

pub(crate) fn resume_provider() -> Operation {
    by_admin(Operation::new("resumeProvider", "Makes calls to an account again")).answer(
        200,
        "The account.",
        "Provider",
        Some(examples::PROVIDER),
    )
}

pub(crate) fn probe_provider() -> Operation {
    by_admin(Operation::new("probeProvider", "Asks whether a vendor's server is there and what it speaks"))
        .text("Its requests reach nobody.")
        .answer(200, "What it said.", "Probed", Some(examples::PROBED))
}
