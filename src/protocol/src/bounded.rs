//! A list with a greatest length that both ends know.
//!
//! The bound is checked before anything is allocated: a claimed length over it ends the decoding. It never
//! truncates silently; `truncated` says in its name that it does.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A `Vec` of at most `MAX` elements. Holding one proves that the bound holds, whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BoundedVec<T, const MAX: usize>(Vec<T>);

/// A list had more elements than its place on the wire allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a list of {length} elements, at most {max} are allowed")]
pub struct TooManyElements {
    /// How many there were.
    pub length: usize,
    /// How many there may be.
    pub max: usize,
}

impl<T, const MAX: usize> BoundedVec<T, MAX> {
    /// Takes a list of at most `MAX` elements.
    ///
    /// # Errors
    /// [`TooManyElements`] if it is longer.
    pub fn new(list: Vec<T>) -> Result<Self, TooManyElements> {
        if list.len() > MAX {
            return Err(TooManyElements { length: list.len(), max: MAX });
        }
        Ok(Self(list))
    }

    /// Takes the first `MAX` elements and drops the others.
    #[must_use]
    pub fn truncated(list: impl IntoIterator<Item = T>) -> Self {
        Self(list.into_iter().take(MAX).collect())
    }

    /// The elements.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The elements, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for BoundedVec<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> std::ops::Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> IntoIterator for BoundedVec<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedVec<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Bounded::<T, MAX>(std::marker::PhantomData))
    }
}

struct Bounded<T, const MAX: usize>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bounded<T, MAX> {
    type Value = BoundedVec<T, MAX>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        if let Some(claimed) = access.size_hint()
            && claimed > MAX
        {
            return Err(A::Error::invalid_length(claimed, &self));
        }
        // No capacity is taken from the claim: the list grows as elements really arrive.
        let mut list = Vec::new();
        while let Some(element) = access.next_element()? {
            if list.len() == MAX {
                return Err(A::Error::invalid_length(MAX.saturating_add(1), &self));
            }
            list.push(element);
        }
        Ok(BoundedVec(list))
    }
}
