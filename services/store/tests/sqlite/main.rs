//! Tests of the stores on real files.

mod smoke;
