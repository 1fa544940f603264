//! Each rule of the plan by itself.
