//! The values of a directive at one configuration level.

use super::directive::ConfigError;
use std::ops::Deref;
use std::rc::Rc;

/// What a directive says at one level of the configuration: nothing yet, or a value. A second value at the same
/// level is an error; a level without one takes the outer level's.
#[derive(Debug, Clone, Default)]
pub enum Setting<T> {
    #[default]
    Unset,
    Set(T),
}

impl<T> Setting<T> {
    /// Takes the value of a directive.
    ///
    /// # Errors
    /// `"name" directive is duplicate` where the level has one already.
    pub fn set(&mut self, value: T) -> Result<(), ConfigError> {
        if self.get().is_some() {
            return Err(ConfigError::Directive(c"is duplicate"));
        }
        *self = Self::Set(value);
        Ok(())
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Unset => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Takes over the outer level's value where this level has none.
    pub fn inherit(&mut self, outer: &Self)
    where
        T: Clone,
    {
        if let (Self::Unset, Self::Set(value)) = (&*self, outer) {
            *self = Self::Set(value.clone());
        }
    }
}

/// The values of a directive that a level may have several of. A level that has one of its own takes none of the
/// outer level's.
#[derive(Debug, Clone)]
pub struct List<T>(Option<Rc<Vec<T>>>);

impl<T> List<T> {
    /// Takes the value of one more directive.
    pub fn push(&mut self, value: T)
    where
        T: Clone,
    {
        Rc::make_mut(self.0.get_or_insert_default()).push(value);
    }

    /// Takes over the outer level's values where this level has none. They are shared, not copied.
    pub fn inherit(&mut self, outer: &Self) {
        if self.0.is_none() {
            self.0.clone_from(&outer.0);
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |values| values.as_slice())
    }
}
