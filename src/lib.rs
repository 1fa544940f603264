//! Usher: access management in front of AWS IAM Identity Center.
pub mod app;
pub mod audit;
pub mod clock;
pub mod directory;
pub mod domain;
pub mod grpc;
pub mod identity_center;
pub mod policy;
pub mod reconciler;
pub mod simulator;
pub mod store;
