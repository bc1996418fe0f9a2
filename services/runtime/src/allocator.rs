//! Has the allocator of the C library keep little memory that is not used.

/// Arenas of glibc's allocator. It takes up to eight a core unless told otherwise, and what one
/// thread has freed is of no use to a thread with another arena: ingest took a tenth more memory,
/// and was no faster.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 2;
/// Bytes from which on memory is the system's again as soon as it is freed. Unless told, glibc
/// raises that to the size of whatever was freed last.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 1 << 20;

/// Tells it so. To be called before there are threads. (`M_ARENA_MAX` and `M_MMAP_THRESHOLD` in
/// mallopt(3).)
#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "the C library is told so by a call alone, or by the environment before the start"
)]
pub(crate) fn keep_little() {
    for (setting, value) in [(libc::M_ARENA_MAX, ARENAS), (libc::M_MMAP_THRESHOLD, LARGE)] {
        // SAFETY: mallopt(3) only stores a number; no other thread allocates yet.
        let took = unsafe { libc::mallopt(setting, value) };
        debug_assert_eq!(took, 1, "mallopt(3) returns 1 where it took a setting");
    }
}

/// Others have no such settings.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn keep_little() {}
