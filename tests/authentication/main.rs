//! Who is let in, and as whom: tokens of issuers, keys that change, client certificates, and both
//! together, tried on a whole service over TLS. Development tokens are tried in tests/bad_inputs.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

mod acting;
mod adopt_command;
mod bench;
mod certificates;
mod check;
mod endpoint;
mod flood;
mod forged;
mod keys;
mod pki;
mod policies;
mod policy_change;
mod record;
mod refused_calls;
mod renamed;
mod rotation;
mod serving;
mod several_stores;
mod signer;
mod stand_in;
mod stolen;
#[allow(dead_code, unreachable_pub, reason = "other tests look for other rows")]
#[path = "../common/store_rows.rs"]
mod store_rows;
mod subjects;
mod tokens;
mod veiled;
#[allow(dead_code, reason = "the other tests of the wire use more of it")]
#[path = "../bad_inputs/wire.rs"]
mod wire;
mod writes;
