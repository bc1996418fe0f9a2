//! Free ports of 127.0.0.1 that stay ours.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::bail;

/// Below the ports that the kernel gives to outgoing connections, so that a server that restarts
/// finds its port free.
const FROM: u16 = 12_000;
const TO: u16 = 32_000;

/// A port of 127.0.0.1 that no other process of this crate takes while this lives.
#[derive(Debug)]
pub struct Port {
    pub(crate) number: u16,
    /// A name in the kernel that is bound once at most, and is free again when its holder dies.
    _reserved: UnixListener,
}

impl Port {
    /// A port that is free now.
    pub fn free() -> anyhow::Result<Self> {
        for _ in 0..1_000 {
            let random = getrandom::u32()?;
            let offset = u16::try_from(random % u32::from(TO - FROM))?;
            if let Some(port) = Self::take(FROM + offset) {
                return Ok(port);
            }
        }
        bail!("found no free port between {FROM} and {TO}")
    }

    /// `wanted` where that is free, else another.
    pub fn preferably(wanted: Option<u16>) -> anyhow::Result<Self> {
        match wanted.and_then(Self::take) {
            Some(port) => Ok(port),
            None => Self::free(),
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    fn take(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("landfall-port-{number}")).ok()?;
        let reserved = UnixListener::bind_addr(&name).ok()?;
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self {
            number,
            _reserved: reserved,
        })
    }
}
