//! A verified token with what the worker remembers of it.

use std::rc::Rc;

use jose::VerifiedToken;
use policy::auth_jwt::token_memo::TokenMemo;

/// A verified token, and what is remembered of it if it is cached.
pub(super) type RememberedToken = (VerifiedToken, Option<Rc<TokenMemo>>);
