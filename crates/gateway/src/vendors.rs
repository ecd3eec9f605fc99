//! The vendors that this build serves. The only place in the gateway where a vendor's name stands.

use interline_core::adapter::Vendor;

/// Every vendor, in the order of the capability table.
#[must_use]
pub fn all() -> Vec<&'static Vendor> {
    vec![
        &interline_wukongim::VENDOR,
        &interline_openim::VENDOR,
        &interline_imkit::VENDOR,
        &interline_netease::VENDOR,
    ]
}
