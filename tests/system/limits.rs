//! What the services do at the limits of a machine: how much memory they take, whatever comes in,
//! and what becomes of files while a disk is full.

mod disk;
mod large;
mod sweep;
mod waiting;

use anyhow::{Result, ensure};
use proto::User;
use tests::Installation;

const SERVICES: [User; 4] = [User::Watcher, User::Ingest, User::Mover, User::Notifier];

/// The settings that decide how much memory a service takes.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// `[service] slots`
    slots: u64,
    /// `[ingest] memory`, in MiB.
    memory: u64,
}

/// As shipped.
pub(crate) const SHIPPED: Settings = Settings {
    slots: 32,
    memory: 256,
};

impl Settings {
    /// MiB that a service may take at most. ARCHITECTURE.md ("Memory") says what is for what.
    fn bound(self, user: User) -> u64 {
        const PROGRAM: u64 = 64;
        const A_SLOT: u64 = 1;
        const BODIES: u64 = 128;
        let more = match user {
            User::Watcher => BODIES,
            User::Ingest => self.memory,
            _ => 0,
        };
        PROGRAM + A_SLOT * self.slots + more
    }

    /// An error unless the kernel has seen a service within its bound, ever.
    pub(crate) fn hold(self, landfall: &Installation, user: User) -> Result<()> {
        let (peak, bound) = (landfall.peak(user)?, self.bound(user));
        println!("{user} had {peak} MiB at most (VmHWM), and may have {bound}");
        ensure!(peak <= bound, "{user} had {peak} MiB, and may have {bound}");
        Ok(())
    }
}
