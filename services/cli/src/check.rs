//! `landfall check`

use std::io::Write;

use runtime::Config;

use crate::failure::Failure;
use crate::output;

/// Prints the effective configuration, secrets masked.
pub(crate) fn run(config: &Config) -> Result<(), Failure> {
    output::print(|out| out.write_all(config.shown().as_bytes()))
}
