//! Usher: access management in front of AWS IAM Identity Center.
pub mod app;
pub mod audit;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod directory;
pub mod domain;
pub mod grpc;
pub mod identity_center;
pub mod policy;
pub mod reconciler;
pub mod simulator;
pub mod store;
pub mod telemetry;
