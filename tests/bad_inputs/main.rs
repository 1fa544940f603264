//! The surface against wrong inputs, over real connections: each gets the promised code and
//! details, nothing is written, nothing of AWS or of the store leaks, and the server goes on.
//! One file an idea; `check` is the one way in which refusals are checked.

mod accepted;
mod arns;
mod bench;
mod bounds;
mod check;
mod connections;
mod credentials;
mod fields;
mod framing;
mod names;
mod pages;
mod reasons;
mod wire;
