//! Usher: access management in front of AWS IAM Identity Center.
pub mod domain;
pub mod simulator;
