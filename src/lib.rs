//! Usher: access management in front of AWS IAM Identity Center.
pub mod clock;
pub mod domain;
pub mod identity_center;
pub mod policy;
pub mod reconciler;
pub mod simulator;
pub mod store;
