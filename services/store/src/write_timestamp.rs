//! Write timestamps.
