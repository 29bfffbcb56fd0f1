//! Comeback.
