//! The real servers that Landfall runs against, as child processes on this machine: for `landfall dev` and for tests.
