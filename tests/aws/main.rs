//! The AWS side against the simulator over HTTP: the adapter with its budget, and the directory
//! with the real store on top. One binary, because linking the SDK takes longer than the tests.

mod ambient;
mod answers;
mod budget;
mod directory;
mod faults;
mod lookups;
mod support;
