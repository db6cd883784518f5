//! Decisions taken from the front of the input.

/// The rest of an input; an empty one decides everything as 0.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The stream behind as many cuts as the first byte says: pieces whose lengths the following bytes give, and the rest.
pub(crate) fn pieces(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut input = Input(data);
    let cuts = usize::from(input.byte() % 16);
    let lengths: Vec<usize> = (0..cuts).map(|_| usize::from(input.byte())).collect();
    let stream = input.0;
    let mut pieces: Vec<&[u8]> = lengths.into_iter().map(|len| input.take(len)).collect();
    pieces.push(input.0);
    (pieces, stream)
}
