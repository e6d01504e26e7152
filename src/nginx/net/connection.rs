//! TCP and Unix connections. nginx watches the sockets, and its event module (epoll, poll, select
//! ...) says when one can be read or written; system calls on them are made here, so that each
//! error is a value with the text of the operating system.

use super::super::fence::guard;
use super::super::log::Log;
use super::ffi::{await_event, is_closing, is_event_ready, pause_event, watch_socket};
use hyper::rt::ReadBufCursor;
use nginx_sys::{
    EINPROGRESS, NGX_OK, ngx_close_connection, ngx_connection_t, ngx_event_t, ngx_int_t,
};
use socket2::{SockAddr, SockRef, Socket, Type};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

/// A connection. To drop it closes it.
pub struct Connection {
    raw: NonNull<ngx_connection_t>,
    waiting: Rc<Waiting>,
}

/// Who waits for the events of a connection.
#[derive(Default)]
struct Waiting {
    for_read: Cell<Option<Waker>>,
    for_write: Cell<Option<Waker>>,
}

/// What a connection can be waited for.
#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl Connection {
    /// Connects to an address.
    ///
    /// # Errors
    /// Those of the operating system. [`ErrorKind::QuotaExceeded`] if the worker has no connection
    /// left, [`ErrorKind::ConnectionAborted`] if it has to exit.
    pub async fn connect(address: &SockAddr) -> io::Result<Self> {
        let socket = Socket::new(address.domain(), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        if !address.is_unix() {
            socket.set_tcp_nodelay(true)?;
        }
        let is_connected = match socket.connect(address) {
            Ok(()) => true,
            Err(error) if is_in_progress(&error) => false,
            Err(error) => return Err(error),
        };
        let connection = Self::watch(socket)?;
        if !is_connected {
            poll_fn(|context| connection.poll_connected(context)).await?;
        }
        Ok(connection)
    }

    /// Gives a socket to nginx.
    fn watch(socket: Socket) -> io::Result<Self> {
        let waiting = Rc::<Waiting>::default();
        let data = Rc::as_ptr(&waiting).cast_mut().cast();
        // SAFETY: the socket is given away. `data` is alive until the connection is closed (Drop),
        // and `on_event` only shares it.
        let raw = unsafe { watch_socket(socket.into_raw_fd(), Some(on_event), data) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { raw, waiting }),
            None => Err(io::Error::new(
                ErrorKind::QuotaExceeded,
                "nginx has no connection left: raise worker_connections",
            )),
        }
    }

    fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_open()?;
        // SAFETY: the connection is open, and has two events (ngx_get_connection).
        if unsafe { is_event_ready(self.event(Direction::Write)) } == 0 {
            return self.wait(Direction::Write, context);
        }
        Poll::Ready(self.socket().take_error()?.map_or(Ok(()), Err))
    }

    /// Makes a system call, or waits until it does not block.
    fn poll_call<T>(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        mut call: impl FnMut(&Socket) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.check_open()?;
        loop {
            match call(&self.socket()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                result => return Poll::Ready(result),
            }
        }
        self.wait(direction, context)
    }

    /// Has the task woken when the connection is ready. Fails, or is pending.
    fn wait<T>(&self, direction: Direction, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let waker = match direction {
            Direction::Read => &self.waiting.for_read,
            Direction::Write => &self.waiting.for_write,
        };
        waker.set(Some(context.waker().clone()));
        // SAFETY: the connection is open, and has two events (ngx_get_connection).
        let result = unsafe { await_event(self.event(direction)) };
        match result == NGX_OK as ngx_int_t {
            true => Poll::Pending,
            false => Poll::Ready(Err(io::Error::other("nginx could not watch the socket"))),
        }
    }

    fn check_open(&self) -> io::Result<()> {
        // SAFETY: the connection is open until it is dropped.
        match unsafe { is_closing(self.raw.as_ptr()) } {
            0 => Ok(()),
            _ => Err(io::Error::new(
                ErrorKind::ConnectionAborted,
                "the worker is shutting down",
            )),
        }
    }

    fn event(&self, direction: Direction) -> *mut ngx_event_t {
        // SAFETY: the connection is open until it is dropped.
        let connection = unsafe { self.raw.as_ref() };
        match direction {
            Direction::Read => connection.read,
            Direction::Write => connection.write,
        }
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the connection, and with it the file, is open until it is dropped.
        unsafe { BorrowedFd::borrow_raw(self.raw.as_ref().fd) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the connection is open, and nobody uses it after this. nginx takes its events out
        // of its queues (ngx_close_connection), so that `on_event` is not called any more.
        unsafe { ngx_close_connection(self.raw.as_ptr()) };
    }
}

impl hyper::rt::Read for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let length = ready!(self.poll_call(Direction::Read, context, |socket| {
            // SAFETY: recv() writes to the buffer only, and only bytes.
            socket.recv(unsafe { buffer.as_mut() })
        }))?;
        // SAFETY: recv() has written so many bytes.
        unsafe { buffer.advance(length) };
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_call(Direction::Write, context, |socket| socket.send(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket().shutdown(Shutdown::Write))
    }
}

/// Whether connect() goes on after this error.
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Interrupted || error.raw_os_error() == Some(EINPROGRESS as i32)
}

/// nginx calls it when the connection can be read or written, has failed, or has to be closed.
unsafe extern "C" fn on_event(event: *mut ngx_event_t) {
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    guard(log, (), || {
        // SAFETY: nginx hands over an event of an open connection of `watch_socket`, whose data is
        // alive until the connection is closed.
        let (connection, waiting) = unsafe {
            let connection = (*event).data.cast::<ngx_connection_t>();
            (connection, &*(*connection).data.cast::<Waiting>())
        };
        // SAFETY: the connection is open. It is not closed here: a waker only posts an event.
        let (is_write, is_closing) = unsafe {
            pause_event(event);
            (event == (*connection).write, is_closing(connection) != 0)
        };
        if !is_write || is_closing {
            waiting.for_read.take().into_iter().for_each(Waker::wake);
        }
        if is_write || is_closing {
            waiting.for_write.take().into_iter().for_each(Waker::wake);
        }
    });
}
