//! Bytes of a log in several pieces.

use bytes::Bytes;

/// Consecutive bytes of a log. Large pieces share the memory of the log, so cloning is cheap.
#[derive(Clone, Default)]
pub(crate) struct Pieces {
    list: Vec<Bytes>,
    len: usize,
}

impl Pieces {
    /// Appends a piece. An empty one is left out.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.list.push(piece);
        }
    }

    /// The number of bytes.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order. None of them is empty.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Bytes> {
        self.list.iter()
    }

    /// Returns all bytes in one piece. Copies them if there are several pieces.
    #[cfg(test)]
    pub(crate) fn join(&self) -> Bytes {
        match &self.list[..] {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => Bytes::from(several.concat()),
        }
    }
}

impl IntoIterator for Pieces {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pieces({} bytes in {})", self.len, self.list.len())
    }
}
