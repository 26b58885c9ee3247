//! What a program writes to: a pseudo-terminal, since programs show their progress to nothing else.

use rustix::{
    io::{Errno, ioctl_fionbio, read},
    pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};
use std::{io, os::fd::OwnedFd};
use tokio::io::unix::AsyncFd;

/// Wide enough for a progress bar on one line.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };

/// Our end.
#[derive(Debug)]
pub struct Output(AsyncFd<OwnedFd>);

/// Opens a pseudo-terminal, or a pipe where there is none to be had; ours and the program's end of it.
pub fn open() -> io::Result<(Output, OwnedFd)> {
    let (ours, theirs) = pseudo_terminal().or_else(|error| {
        tracing::warn!(%error, "no pseudo-terminal (is /dev/pts mounted?): the program will hardly tell its progress");
        io::pipe().map(|(ours, theirs)| (ours.into(), theirs.into()))
    })?;
    ioctl_fionbio(&ours, true)?;
    #[expect(deprecated, reason = "`register` is unsafe for types whose descriptor may change: an OwnedFd's does not")]
    Ok((Output(AsyncFd::new(ours)?), theirs))
}

/// Nobody's controlling terminal; what is written comes out as it is.
fn pseudo_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    let mut modes = tcgetattr(&theirs)?;
    modes.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &modes)?;
    tcsetwinsize(&theirs, SIZE)?;
    Ok((ours, theirs))
}

impl Output {
    /// Reads what is there, or waits for something; 0 once nobody holds the program's end any more.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|ours| Ok(read(ours, &mut *buffer)?)) {
                // A terminal's way of saying that its other end is closed.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(0),
                Ok(result) => return result,
                Err(_nothing_yet) => {}
            }
        }
    }
}
