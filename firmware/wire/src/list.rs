//! A list with a bound, for messages without a heap.

/// At most `N` items of `T`, in the order in which they were added.
///
/// It is `Copy`, so that a message is a plain value that can be stored, compared and
/// sent through a queue; no item is ever dropped without the caller being told.
#[derive(Clone, Copy)]
pub struct List<T, const N: usize> {
    items: [T; N],
    len: usize,
}

/// The list already holds as many items as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// Returns an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self { items: [T::default(); N], len: 0 }
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    ///
    /// [`Full`] if the list holds `N` items; the list is unchanged then.
    pub fn push(&mut self, item: T) -> Result<(), Full> {
        let slot = self.items.get_mut(self.len).ok_or(Full)?;
        *slot = item;
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Removes all items.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Returns a list of the items of a slice.
    ///
    /// # Errors
    ///
    /// [`Full`] if the slice holds more than `N` items.
    pub fn from_slice(items: &[T]) -> Result<Self, Full> {
        let mut list = Self::new();
        for &item in items {
            list.push(item)?;
        }
        Ok(list)
    }
}

impl<T, const N: usize> List<T, N> {
    /// Returns the items as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or_default()
    }
}

impl<T, const N: usize> core::ops::Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

// Items beyond the length are left over from nothing anyone asked for: not compared.
impl<T: PartialEq, const N: usize> PartialEq for List<T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq, const N: usize> Eq for List<T, N> {}

impl<T: core::fmt::Debug, const N: usize> core::fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_refuses_and_keeps_what_it_has() {
        let mut list = List::<u8, 2>::new();
        assert_eq!((list.push(1), list.push(2), list.push(3)), (Ok(()), Ok(()), Err(Full)));
        assert_eq!(list.as_slice(), [1, 2]);
        assert_eq!(List::<u8, 2>::from_slice(&[1, 2, 3]), Err(Full));
    }
}
