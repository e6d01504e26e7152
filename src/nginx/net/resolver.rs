//! nginx's resolver: it asks the name servers of a `resolver` directive for A and AAAA records, and
//! keeps the answers for as long as these say.

use super::super::fence::guard;
use super::super::log::Log;
use http_client::network::ConnectError;
use nginx_sys::{
    NGX_OK, NGX_RESOLVE_NXDOMAIN, ngx_conf_t, ngx_int_t, ngx_resolve_name, ngx_resolve_name_done,
    ngx_resolve_start, ngx_resolver_addr_t, ngx_resolver_create, ngx_resolver_ctx_t,
    ngx_resolver_strerror, ngx_resolver_t, ngx_str_t,
};
use socket2::SockAddr;
use std::cell::Cell;
use std::ffi::CStr;
use std::future::poll_fn;
use std::net::IpAddr;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::task::{Poll, Waker};

/// The name servers of a `resolver` directive. They live as long as the configuration that names
/// them, as the tasks of a worker do.
#[derive(Clone, Copy)]
pub struct Resolver(NonNull<ngx_resolver_t>);

/// A name that is being resolved. To drop it takes the question back.
struct NameQuery(Rc<NameQueryState>);

struct NameQueryState {
    /// What nginx has for the question, until the answer has come.
    context: Cell<*mut ngx_resolver_ctx_t>,
    answer: Cell<Option<Result<Vec<IpAddr>, ConnectError>>>,
    waker: Cell<Option<Waker>>,
    /// nginx reads it as long as it has the question, and writes it in lower case
    /// (ngx_resolve_name_locked).
    name: Box<[Cell<u8>]>,
}

impl Resolver {
    /// Reads the arguments of a `resolver` directive. None if they are wrong, which nginx logs with
    /// file and line.
    ///
    /// # Safety
    /// `cf` is what nginx handed to a configuration callback, and the bytes of the arguments live as
    /// long as its cycle.
    pub(in super::super) unsafe fn create(cf: *mut ngx_conf_t, args: &[ngx_str_t]) -> Option<Self> {
        let mut args = args.to_vec();
        // SAFETY: cf is live, and ngx_resolver_create copies the texts or keeps their bytes. The
        // resolver belongs to the pool of the cycle.
        NonNull::new(unsafe { ngx_resolver_create(cf, args.as_mut_ptr(), args.len()) }).map(Self)
    }

    /// The addresses of a host name. If no name server answers, it is never ready: nginx asks again
    /// and again, until the question is taken back.
    ///
    /// # Errors
    /// [`ConnectError::NoSuchHost`], [`ConnectError::NoAddress`], [`ConnectError::Resolve`]
    pub async fn resolve(self, name: &str) -> Result<Vec<IpAddr>, ConnectError> {
        let question = NameQuery::ask(self, name)?;
        poll_fn(|context| match question.0.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                question.0.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl NameQuery {
    fn ask(resolver: Resolver, name: &str) -> Result<Self, ConnectError> {
        // SAFETY: the resolver lives as long as the configuration, and no task outlives that.
        let context = unsafe { ngx_resolve_start(resolver.0.as_ptr(), ptr::null_mut()) };
        // NGX_NO_RESOLVER, which a resolver with a name server does not give.
        let is_none = context.is_null() || context.addr() == usize::MAX;
        if is_none {
            return Err(refused());
        }
        let question = Self(Rc::new(NameQueryState {
            context: Cell::new(context),
            answer: Cell::new(None),
            waker: Cell::new(None),
            name: name.bytes().map(Cell::new).collect(),
        }));
        let name = &question.0.name;
        // SAFETY: the context is ngx_resolve_start's, and nobody has it yet. The name and the data
        // are alive until the question is taken back (Drop), or answered.
        let is_asked = unsafe {
            (*context).name = ngx_str_t {
                len: name.len(),
                data: name.as_ptr().cast_mut().cast(),
            };
            (*context).handler = Some(take_answer);
            (*context).data = Rc::as_ptr(&question.0).cast_mut().cast();
            // It may call the handler at once.
            ngx_resolve_name(context) == NGX_OK as ngx_int_t
        };
        if !is_asked {
            // nginx has freed the context (ngx_resolve_name).
            question.0.context.set(ptr::null_mut());
            return Err(refused());
        }
        Ok(question)
    }
}

impl Drop for NameQuery {
    fn drop(&mut self) {
        let context = self.0.context.replace(ptr::null_mut());
        if !context.is_null() {
            // SAFETY: nginx still has the question, and forgets it here.
            unsafe { ngx_resolve_name_done(context) };
        }
    }
}

/// nginx calls it once, when it has an answer or gives the question up.
unsafe extern "C" fn take_answer(context: *mut ngx_resolver_ctx_t) {
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    guard(log, (), || {
        // SAFETY: the question has not been taken back, so that its state is alive.
        let question = unsafe { &*(*context).data.cast::<NameQueryState>() };
        // SAFETY: nginx hands over a context with an answer, and the addresses are there until
        // ngx_resolve_name_done, after which nobody uses the context (ngx_resolver_process_a,
        // ngx_resolve_name_locked).
        let answer = unsafe {
            let answer = answer(&*context);
            question.context.set(ptr::null_mut());
            ngx_resolve_name_done(context);
            answer
        };
        question.answer.set(Some(answer));
        question.waker.take().into_iter().for_each(Waker::wake);
    });
}

/// # Safety
/// nginx has answered.
unsafe fn answer(context: &ngx_resolver_ctx_t) -> Result<Vec<IpAddr>, ConnectError> {
    if context.state == NGX_RESOLVE_NXDOMAIN as ngx_int_t {
        return Err(ConnectError::NoSuchHost);
    }
    if context.state != NGX_OK as ngx_int_t {
        // SAFETY: it returns a constant text (ngx_resolver_strerror).
        let reason = unsafe { CStr::from_ptr(ngx_resolver_strerror(context.state)) };
        return Err(ConnectError::Resolve(reason.to_string_lossy().into_owned()));
    }
    if context.naddrs == 0 || context.addrs.is_null() {
        return Err(ConnectError::NoAddress);
    }
    // SAFETY: an answer without an error has so many addresses.
    let addresses = unsafe { slice::from_raw_parts(context.addrs, context.naddrs) };
    // SAFETY: each has an address of the length that it says.
    let ips = addresses.iter().filter_map(|a| unsafe { ip_address(a) });
    Ok(ips.collect())
}

/// # Safety
/// `address.sockaddr` points to `address.socklen` bytes.
unsafe fn ip_address(address: &ngx_resolver_addr_t) -> Option<IpAddr> {
    // SAFETY: the copy is no longer than either side. The bytes are those of a sockaddr.
    let copied = unsafe {
        SockAddr::try_init(|storage, length| {
            *length = address.socklen.min(*length);
            let source = address.sockaddr.cast::<u8>();
            ptr::copy_nonoverlapping(source, storage.cast::<u8>(), *length as usize);
            Ok(())
        })
    };
    let ((), address) = copied.ok()?;
    Some(address.as_socket()?.ip())
}

fn refused() -> ConnectError {
    ConnectError::NoResources("nginx's resolver has no memory".into())
}
