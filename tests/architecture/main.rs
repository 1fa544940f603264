//! The rules that the code's own text keeps: who may name whom, and what a file looks like.
//!
//! ```text
//!   tree (files), modules (`mod` declarations) -> tokens (no comments, no strings) -> paths (who names what) -> layers, shape
//! ```
//! Each rule is a test over the real files, and each has small violations that it must find.

mod crash_points;
mod layers;
mod modules;
mod paths;
mod shape;
mod tokens;
mod tree;
