//! Usher: access management in front of AWS IAM Identity Center.
pub mod audit;
pub mod budget;
pub mod directory;
pub mod domain;
pub mod identity_center;
pub mod simulator;
pub mod store;
