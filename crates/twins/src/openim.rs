//! Placeholder.
use crate::call::{Answer, Call, Emulation};
use crate::fault::Fault;
#[derive(Debug)]
pub(crate) struct OpenIm;
impl OpenIm {
    pub(crate) fn new() -> Self {
        Self
    }
}
impl Emulation for OpenIm {
    fn sends(&self, _path: &str) -> bool {
        false
    }
    fn answer(&self, _call: &Call<'_>) -> Answer {
        Answer::no_such_page()
    }
    fn status_fault(&self, _call: &Call<'_>, status: u16, _fault: &Fault) -> Answer {
        Answer::empty(status)
    }
    fn code_fault(&self, _call: &Call<'_>, _code: Option<i64>) -> Answer {
        Answer::no_such_page()
    }
    fn forget(&self) {}
}
