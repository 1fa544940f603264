//! Who must agree: wishes, approvals, starts, more time and break-glass, tried on a whole service
//! with people, a portal and a ticket system.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

mod adopt_command;
mod adoption;
#[allow(dead_code, reason = "the tests of authentication use more of it")]
#[path = "../authentication/bench.rs"]
mod bench;
mod break_glass;
mod break_glass_example;
mod carried;
mod changes;
mod extensions;
mod external;
mod lists;
mod metrics;
mod others_access;
#[allow(dead_code, reason = "not every test of agreement uses all of it")]
mod place;
mod races;
mod replays;
mod same_person;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests of services use it too"
)]
#[path = "../common/scrape.rs"]
mod scrape;
#[allow(dead_code, reason = "the tests of authentication use more of it")]
#[path = "../authentication/signer.rs"]
mod signer;
mod starts;
mod story;
#[allow(dead_code, reason = "the other tests of the wire use more of it")]
#[path = "../bad_inputs/wire.rs"]
mod wire;
