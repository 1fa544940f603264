//! The code generated from proto/usher/v1, with the descriptors that reflection serves. The
//! documentation of every item is the comment in the proto.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code follows its generator's style"
)]

tonic::include_proto!("usher.v1");

/// The compiled descriptors of usher.v1 with everything they import.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/usher_descriptors.bin"));
