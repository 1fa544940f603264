//! Counts of small reports.
