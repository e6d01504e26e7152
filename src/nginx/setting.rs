//! The values that a level of the configuration has for a directive.

use super::directive::ConfigError;
use std::ops::Deref;
use std::rc::Rc;

/// The value of a directive that a level may have once. A level without it takes the outer level's.
#[derive(Debug, Clone, Default)]
pub enum Setting<T> {
    #[default]
    Unset,
    Set(T),
}

impl<T> Setting<T> {
    /// Sets the value.
    ///
    /// # Errors
    /// `"name" directive is duplicate` if the level has a value.
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

    /// Takes the outer level's value if this level has none.
    pub fn inherit(&mut self, outer: &Self)
    where
        T: Clone,
    {
        if let (Self::Unset, Self::Set(value)) = (&*self, outer) {
            *self = Self::Set(value.clone());
        }
    }
}

/// The values of a directive that a level may have several times. A level that has the directive
/// takes none of the outer level's values.
#[derive(Debug, Clone)]
pub struct List<T>(Option<Rc<Vec<T>>>);

impl<T> List<T> {
    /// Adds the value of another directive.
    pub fn push(&mut self, value: T)
    where
        T: Clone,
    {
        Rc::make_mut(self.0.get_or_insert_default()).push(value);
    }

    /// Has the level take none of the outer level's values.
    pub fn set_empty(&mut self) {
        self.0 = Some(Rc::default());
    }

    /// Takes the outer level's values if this level has none. They are shared, not copied.
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
