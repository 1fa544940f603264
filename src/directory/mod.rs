//! Names and ids, group members and assignments, from facts with their age.
//!
//! Answers are as old as the caller allows (`max_age`), carry when they were read, and equal
//! questions in flight are one read. Nothing from here may decide whether a write is needed: that
//! the reconciler reads for itself.
