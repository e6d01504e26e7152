//! Opens files whose names may have come from a client, so that none of them can block the worker
//! or be something else than a file on disk.

use nginx_sys::{O_NOCTTY, O_NONBLOCK};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file systems of Linux that make up the content of their files (statfs(2)): proc, sysfs,
/// cgroup, cgroup2, debugfs, tracefs, securityfs, configfs, bpf, pstore, efivarfs, selinuxfs,
/// smackfs, binfmt_misc, mqueue, nsfs, devpts.
const PSEUDO_FILE_SYSTEMS: [u32; 17] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6265_6570,
    0xcafe_4a11,
    0x6165_676c,
    0xde5e_81e4,
    0xf97c_ff8c,
    0x4341_5d53,
    0x4249_4e4d,
    0x1980_0202,
    0x6e73_6673,
    0x1cd1,
];

/// Why a file is not opened.
#[derive(Debug)]
pub enum OpenError {
    /// The operating system does not open it.
    Io(io::Error),
    /// It is a directory.
    Directory,
    /// It is a pipe, a socket or a device.
    NotRegular,
    /// Its file system makes its content up, as /proc does.
    Pseudo,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens a regular file of a file system that stores files, for reading. Opening neither waits, as
/// for the other end of a pipe, nor makes a terminal that of the process.
///
/// # Errors
/// [`OpenError`]
pub fn open_stored_file(path: &Path) -> Result<(File, Metadata), OpenError> {
    let flags = i32::try_from(O_NONBLOCK | O_NOCTTY).unwrap_or(0);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(OpenError::Directory);
    }
    if !metadata.is_file() {
        return Err(OpenError::NotRegular);
    }
    match is_on_pseudo_file_system(&file)? {
        true => Err(OpenError::Pseudo),
        false => Ok((file, metadata)),
    }
}

#[cfg(target_os = "linux")]
fn is_on_pseudo_file_system(file: &File) -> io::Result<bool> {
    let mut status = MaybeUninit::<nginx_sys::statfs>::uninit();
    // SAFETY: the descriptor is open as long as the file, and fstatfs fills the structure unless it
    // fails.
    let status = unsafe {
        if nginx_sys::fstatfs(file.as_raw_fd(), status.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        status.assume_init()
    };
    // The type has 32 bits, in a field whose size differs between machines.
    Ok(PSEUDO_FILE_SYSTEMS.contains(&(status.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_on_pseudo_file_system(_: &File) -> io::Result<bool> {
    Ok(false)
}
